"""Trains the de-esser's model; the same command goes on where it stopped.

    python -m training.deess.train --minutes 60
    python -m training.deess.train --name more --init models/deess      # from shipped weights

The rate is constant and falls to zero as a half cosine over the last part of `--minutes`
(training time, kept in the checkpoint). `--minutes` may be raised before a run goes on.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch

from ..common.memory import keep_memory
from .export import load_onnx
from .loss import figures, loss_terms
from .mix import Mixer, Pool, Store
from .net import Net, features

RUNS = Path(__file__).parents[1] / "runs"
PAUSE = 30.0
"""Seconds: a step that took longer was interrupted, and the rest is not counted."""


def tensors(batch: dict) -> dict[str, torch.Tensor]:
    return {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in batch.items()}


def run_in(rng, power: np.ndarray, mode: np.ndarray, share: float = 0.4) -> dict | None:
    """Start states: most segments begin a stream, `share` of the batch go on with one that had the same talker
    and place for some time, as the end of their own segment tells."""
    if rng.random() > share:
        return None
    half = power.shape[1] // 2
    last = features(power[:, half:], mode)[1]
    last["past"] = np.zeros_like(last["past"])
    return last


def batch_loss(net: Net, mixer: Mixer, count: int, rng=None):
    batch = mixer.batch(count)
    state = run_in(rng, batch["power"], batch["mode"]) if rng is not None else None
    x, _ = features(batch["power"], batch["mode"], state)
    raw, _ = net(torch.from_numpy(x))
    batch = tensors(batch)
    return loss_terms(raw, batch), (raw, batch)


@torch.no_grad()
def validate(net: Net, store: Store, seconds: float, count: int = 48) -> dict:
    """Loss terms and readable figures on fixed mixtures of held-out talkers, voices and languages."""
    mixer = Mixer(store, seconds, seed=99)
    sums, total = {}, {}
    for _ in range(count // 4):
        terms, (raw, batch) = batch_loss(net, mixer, 4)
        for k, v in terms.items():
            sums[k] = sums.get(k, 0) + float(v) * 4 / count
        for k, (v, n) in figures(raw, batch).items():
            a, b = total.get(k, (0, 0))
            total[k] = (a + v, b + n)
    out = {k: round(v, 5) for k, v in sums.items()}
    out["loss"] = round(sum(out.values()), 5)
    return out | {k: round(v / max(n, 1), 4) for k, (v, n) in total.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="deess", help="folder under training/runs")
    parser.add_argument("--minutes", type=float, default=60, help="training time in all")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="cpu",
                        help="what --minutes counts; cpu suits a run in the background of others")
    parser.add_argument("--decay", type=float, default=0.4, help="share of it in which the rate falls")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=9.0)
    parser.add_argument("--pool", type=int, default=700, help="segments kept for further use")
    parser.add_argument("--init", type=Path, help="weights to begin with: a run's .pt or a folder with model.onnx")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save-minutes", type=float, default=3)
    args = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    torch.set_flush_denormal(True)
    keep_memory()
    folder = RUNS / args.name
    folder.mkdir(parents=True, exist_ok=True)
    last = folder / "last.pt"

    torch.manual_seed(args.seed)
    saved = torch.load(last, map_location="cpu", weights_only=False) if last.exists() else None
    net = Net()
    if saved:
        net.load_state_dict(saved["net"])
    elif args.init and args.init.is_dir():
        net = load_onnx(args.init / "model.onnx")
    elif args.init:
        net.load_state_dict(torch.load(args.init, map_location="cpu", weights_only=False)["ema"])
    ema = saved["ema"] if saved else {k: v.detach().clone() for k, v in net.state_dict().items()}
    matrices = [p for p in net.parameters() if p.ndim > 1]
    vectors = [p for p in net.parameters() if p.ndim == 1]
    optimiser = torch.optim.AdamW([dict(params=matrices, weight_decay=0.01), dict(params=vectors, weight_decay=0.0)],
                                  lr=args.rate, betas=(0.9, 0.99))
    if saved:
        optimiser.load_state_dict(saved["optimiser"])
    step, spent, audio = (saved[k] for k in ("step", "spent", "audio")) if saved else (0, 0.0, 0.0)

    seed = args.seed * 1_000_003 + step
    rng = np.random.default_rng(seed)
    mixer = Pool(Mixer(Store("train"), args.seconds, seed), args.pool)
    valid = Store("valid")
    log = open(folder / "log.jsonl", "a")
    params = list(net.named_parameters())
    total = args.minutes * 60
    clock = time.time if args.clock == "wall" else time.process_time
    seen, since = {}, time.time()

    def save():
        state = dict(net=net.state_dict(), ema=ema, optimiser=optimiser.state_dict(), step=step, spent=spent,
                     audio=audio, args=vars(args))
        torch.save(state, folder / "last.tmp")
        os.replace(folder / "last.tmp", last)

    while spent < total:
        left = (total - spent) / (total * args.decay)
        rate = args.rate * min(1.0, (step + 1) / 200) * (0.5 - 0.5 * math.cos(math.pi * min(1.0, left)))
        for g in optimiser.param_groups:
            g["lr"] = rate
        before = clock()
        terms, _ = batch_loss(net, mixer, args.batch, rng)
        loss = sum(terms.values())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        if math.isfinite(float(norm)):
            optimiser.step()
        step += 1
        fade = min(0.999, (step + 1) / (step + 20))
        with torch.no_grad():
            torch._foreach_lerp_([ema[n] for n, _ in params], [p.data for _, p in params], 1 - fade)
        for k, v in terms.items():
            seen.setdefault(k, []).append(float(v.detach()))
        seen.setdefault("norm", []).append(float(norm))
        spent += min(clock() - before, PAUSE)
        audio += args.seconds / 3600
        if step % 50 == 0:
            row = {"step": step, "hours": round(audio, 3), "minutes": round(spent / 60, 2), "rate": round(rate, 6),
                   "train": {k: round(float(np.mean(v)), 5) for k, v in seen.items()}}
            row["train"]["loss"] = round(sum(v for k, v in row["train"].items() if k != "norm"), 5)
            seen = {}
            log.write(json.dumps(row) + "\n")
            log.flush()
        if time.time() - since > args.save_minutes * 60 or spent >= total:
            since = time.time()
            save()
            own = {k: v.clone() for k, v in net.state_dict().items()}
            net.load_state_dict(ema)
            row = {"step": step, "hours": round(audio, 3), "minutes": round(spent / 60, 2),
                   "valid": validate(net, valid, args.seconds)}
            net.load_state_dict(own)
            log.write(json.dumps(row) + "\n")
            log.flush()
            print(json.dumps(row), flush=True)
    save()


if __name__ == "__main__":
    main()
