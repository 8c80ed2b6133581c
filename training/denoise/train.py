"""Trains a model; the same command goes on where it stopped.

    python -m training.denoise.train --mode standard --minutes 130
    python -m training.denoise.train --mode low --minutes 90 --init training/runs/standard/last.pt

The rate is constant and falls to zero as a half cosine over the last part of `--minutes`
(training time, kept in the checkpoint). `--minutes` may be raised before a run goes on.
"""

import argparse
import ctypes
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch

from .frames import MODES
from .export import load_onnx
from .loss import loss_terms
from .mix import Mixer, Store
from .net import Net, level_keep

RUNS = Path(__file__).parents[1] / "runs"
PAUSE = 30.0
"""Seconds: a step that took longer was interrupted (a stopped process), and the rest is not counted."""


def pairs(z: np.ndarray, device) -> torch.Tensor:
    """Complex `[...]` to real `[..., 2]`."""
    return torch.view_as_real(torch.from_numpy(z)).to(device)


def run_in(rng, x: torch.Tensor, net: Net) -> torch.Tensor:
    """Level states `[B, 2]`: half of the segments begin a stream, half continue one whose
    level was up to 8 dB off."""
    e = x.square().sum(-1)
    p = torch.cat([e[..., :96], e[..., 96:] @ net.merge], -1).sqrt().sqrt() @ net.level_w
    s = p.mean(1) * torch.from_numpy(10 ** rng.uniform(-0.2, 0.2, len(x))).to(x)
    state = torch.stack([s, torch.ones_like(s)], -1)
    return state * torch.from_numpy((rng.random(len(x)) < 0.5)[:, None]).to(x)


def keep_memory() -> None:
    """Lets the C library keep freed memory: page faults of fresh blocks cost 10 % and more."""
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-4, 0)  # M_MMAP_MAX
        libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD
    except OSError:
        pass


def batch_loss(net, mode, mixer, count, device, rng=None):
    x, s, top = mixer.batch(count)
    x, s, top = pairs(x, device), pairs(s, device), torch.from_numpy(top).to(device)
    state = None
    if rng is not None:
        state = {"level": run_in(rng, x, net)}
    mask, gain = net(x, level_keep(mode), start=state)
    return loss_terms(mask, gain, x, s, top), (x, s, mask, gain)


@torch.no_grad()
def validate(net, mode, store, device, count=60) -> dict:
    """Loss terms and the segments' SNR gain in dB on fixed mixtures of held-out talkers,
    noises and rooms."""
    mixer = Mixer(store, mode, 2.0, seed=99)
    sums, gains = {}, []
    for _ in range(count // 2):
        terms, (x, s, mask, gain) = batch_loss(net, mode, mixer, 2, device)
        for k, v in terms.items():
            sums[k] = sums.get(k, 0) + float(v)
        z, t, m = (torch.view_as_complex(v.contiguous()) for v in (x, s, mask))
        y = z * torch.cat([m, gain.to(z.dtype)], 2)
        for a, b, c in zip(z, t, y):
            power = b.abs().square().sum()
            if power > 1e-6 and (a - b).abs().square().sum() > power * 1e-4:
                gains.append(float(10 * torch.log10((a - b).abs().square().sum() / (c - b).abs().square().sum())))
    out = {k: round(v / (count // 2), 6) for k, v in sums.items()}
    out["loss"] = round(sum(out.values()), 6)
    out["snr_gain_db"] = round(float(np.mean(gains)), 3)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", choices=MODES, default="standard")
    parser.add_argument("--name", help="folder under training/runs; the mode by default")
    parser.add_argument("--minutes", type=float, default=130, help="training time in all")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall",
                        help="what --minutes counts; cpu suits a run in the background of others")
    parser.add_argument("--decay", type=float, default=0.4, help="share of it in which the rate falls")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--init", type=Path, help="weights to begin with: a run's .pt or a folder with model.onnx")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save-minutes", type=float, default=4)
    args = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    torch.set_flush_denormal(True)
    keep_memory()
    mode, device = MODES[args.mode], args.device
    folder = RUNS / (args.name or args.mode)
    folder.mkdir(parents=True, exist_ok=True)
    last = folder / "last.pt"

    torch.manual_seed(args.seed)
    saved = torch.load(last, map_location="cpu", weights_only=False) if last.exists() else None
    if saved:
        net = Net(saved["blocks"])
        net.load_state_dict(saved["net"])
    elif args.init and args.init.suffix == ".pt":
        first = torch.load(args.init, map_location="cpu", weights_only=False)
        net = Net(first["blocks"])
        net.load_state_dict(first["ema"])
    elif args.init:
        net = load_onnx(args.init / "model.onnx")
    else:
        net = Net(args.blocks)
    while net.blocks < args.blocks:
        net.grow()
        saved = saved and {**saved, "optimiser": None, "ema": net.state_dict()}
    net.to(device)
    ema = {k: v.clone() for k, v in (saved["ema"] if saved else net.state_dict()).items()}
    ema = {k: v.to(device) for k, v in ema.items()}
    flat = [p for n, p in net.named_parameters() if p.ndim == 1 or n.endswith("b")]
    deep = [p for n, p in net.named_parameters() if not (p.ndim == 1 or n.endswith("b"))]
    groups = [{"params": deep, "weight_decay": 0.01}, {"params": flat, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=args.rate, betas=(0.9, 0.99), foreach=True)
    if saved and saved["optimiser"]:
        optimiser.load_state_dict(saved["optimiser"])
    step, spent, cpu, audio = (saved[k] for k in ("step", "spent", "cpu", "audio")) if saved else (0, 0.0, 0.0, 0.0)

    seed = args.seed * 1_000_003 + step
    rng = np.random.default_rng(seed)
    mixer = Mixer(Store("train"), mode, args.seconds, seed)
    valid = Store("valid")
    log = open(folder / "log.jsonl", "a")
    params = list(net.named_parameters())
    total = args.minutes * 60
    clock = time.time if args.clock == "wall" else time.process_time
    seen, since, cpu0 = {}, time.time(), time.process_time()

    def save():
        state = dict(net=net.state_dict(), ema=ema, optimiser=optimiser.state_dict(), blocks=net.blocks,
                     mode=mode.name, step=step, spent=spent, cpu=cpu, audio=audio, args=vars(args))
        torch.save(state, folder / "last.tmp")
        os.replace(folder / "last.tmp", last)

    while spent < total:
        left = (total - spent) / (total * args.decay)
        rate = args.rate * min(1.0, (step + 1) / 200) * (0.5 - 0.5 * math.cos(math.pi * min(1.0, left)))
        for g in optimiser.param_groups:
            g["lr"] = rate
        before = clock()
        terms, _ = batch_loss(net, mode, mixer, args.batch, device, rng)
        loss = sum(terms.values())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 0.1)
        if math.isfinite(float(norm)):
            optimiser.step()
        step += 1
        fade = min(0.9995, (step + 1) / (step + 20))
        with torch.no_grad():
            torch._foreach_lerp_([ema[n] for n, _ in params], [p.data for _, p in params], 1 - fade)
        for k, v in terms.items():
            seen.setdefault(k, []).append(float(v.detach()))
        seen.setdefault("norm", []).append(float(norm))
        spent += min(clock() - before, PAUSE)
        audio += args.batch * args.seconds / 3600
        if step % 100 == 0:
            now = time.process_time()
            cpu, cpu0 = cpu + now - cpu0, now
            row = {"step": step, "hours": round(audio, 3), "minutes": round(spent / 60, 2), "cpu_s": round(cpu),
                   "rate": round(rate, 6), "train": {k: round(float(np.mean(v)), 6) for k, v in seen.items()}}
            row["train"]["loss"] = round(sum(v for k, v in row["train"].items() if k != "norm"), 6)
            seen = {}
            log.write(json.dumps(row) + "\n")
            log.flush()
        if time.time() - since > args.save_minutes * 60 or spent >= total:
            since = time.time()
            save()
            own = {k: v.clone() for k, v in net.state_dict().items()}
            net.load_state_dict(ema)
            row = {"step": step, "hours": round(audio, 3), "minutes": round(spent / 60, 2),
                   "valid": validate(net, mode, valid, device)}
            net.load_state_dict(own)
            log.write(json.dumps(row) + "\n")
            log.flush()
            print(json.dumps(row), flush=True)
    save()


if __name__ == "__main__":
    main()
