"""Trains a model of stems or dialogue; the same command goes on where it stopped.

    python -m training.stems.train --task stems --mode standard --minutes 600
    python -m training.stems.train --task stems --mode low --init training/runs/stems/last.pt --minutes 120
    python -m training.stems.train --task stems --device cuda --batch 48 --minutes 9

The rate is constant and falls to zero as a half cosine over the last part of `--minutes` (training
time in all, kept in the checkpoint; it may be raised before a run goes on). With a GPU the whole
bank lies in its memory and is mixed there.
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
from ..common.place import RUNS
from .export import load, model_id
from .frames import MODES, analyse
from .loss import loss_terms, sdr_sums
from .mix import Bank, Mixer, Recipe
from .net import TASKS, Net, Size, level_keep

PAUSE = 60.0
"""Seconds: a step that took longer was interrupted (a stopped process), and the rest is not counted."""
VALID_EXAMPLES = 24
AVERAGE = 0.9995
GRADIENT_NORM = 1.0


def run_in(rng, spec: torch.Tensor, net: Net) -> torch.Tensor:
    """Level states `[B, 2]`: half of the segments begin a stream, half continue one whose level was
    up to 8 dB off."""
    e = spec.abs().square().sum(1)
    p = torch.cat([e[..., :240], e[..., 240:] @ net.merge], -1).sqrt().sqrt() @ net.level_w
    s = p.mean(1) * torch.from_numpy(10 ** rng.uniform(-0.2, 0.2, len(spec))).to(p)
    state = torch.stack([s, torch.ones_like(s)], -1)
    return state * torch.from_numpy((rng.random(len(spec)) < 0.5)[:, None]).to(p)


def batch_loss(net, mode, mixer, count, rng=None, bf16=False):
    mixture, stems, groups = mixer.batch(count)
    spec = analyse(mixture, mode)
    start = run_in(rng, spec, net) if rng is not None else None
    with torch.autocast(spec.device.type, torch.bfloat16, enabled=bf16):
        low, high = net(spec, level_keep(mode), start=start)
    terms, waves = loss_terms(low, high.float(), spec, stems, groups, mode)
    return terms, (waves, stems, groups)


@torch.no_grad()
def validate(net, mode, bank, task, seconds, count=None) -> dict:
    """Loss terms and mean SDR in dB by stem over the fixed examples of held-out songs in which it
    is heard, undisturbed by equalisers and speeds."""
    count = count or VALID_EXAMPLES
    recipe = Recipe(speed=0, eq=0, narrow=0, late_start=0, coherent=1.0 if task == "stems" else 0, rest=0)
    mixer = Mixer(bank, seconds, 99, task, recipe)
    sums, ratios = {}, {n: [] for n in mixer.names}
    net.eval()
    for _ in range(count // 2):
        terms, (waves, stems, groups) = batch_loss(net, mode, mixer, 2)
        for k, v in terms.items():
            sums[k] = sums.get(k, 0) + float(v)
        power, error = sdr_sums(waves, stems, groups, mode)
        loudest = power.max(1, keepdim=True).values
        for b, i in (power > 1e-4 * loudest).nonzero().tolist():
            ratios[mixer.names[i]].append(float(10 * torch.log10(power[b, i] / (error[b, i] + 1e-12))))
    net.train()
    out = {k: round(v / (count // 2), 5) for k, v in sums.items()}
    out["loss"] = round(sum(out.values()), 5)
    return out | {f"sdr_{k}": round(float(np.mean(v)), 3) for k, v in ratios.items() if v}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=TASKS, default="stems")
    parser.add_argument("--mode", choices=MODES, default="standard")
    parser.add_argument("--size", type=Size.parse, default=Size(), help="channels x layers, such as 96x4")
    parser.add_argument("--name", help="folder under training/runs; task and mode by default")
    parser.add_argument("--minutes", type=float, default=600, help="training time in all")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="what --minutes counts")
    parser.add_argument("--decay", type=float, default=0.4, help="share of it in which the rate falls")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.8)
    parser.add_argument("--init", type=Path, help="weights to begin with: a run's .pt or a folder with model.onnx")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true", help="matrix products in bfloat16")
    parser.add_argument("--bank", type=Path, help="folder of the bank; training/cache/stems-bank by default")
    parser.add_argument("--runs", type=Path, default=RUNS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save-minutes", type=float, default=5)
    args = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    torch.set_flush_denormal(True)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    if args.device == "cpu":
        keep_memory()
    mode, device = MODES[args.mode], torch.device(args.device)
    folder = args.runs / (args.name or model_id(args.task, mode))
    folder.mkdir(parents=True, exist_ok=True)
    last = folder / "last.pt"

    torch.manual_seed(args.seed)
    saved = torch.load(last, map_location="cpu", weights_only=False) if last.exists() else None
    if saved:
        net = Net(saved["task"], Size.parse(saved["size"]))
        net.load_state_dict(saved["net"])
    elif args.init:
        net, _ = load(args.init)
    else:
        net = Net(args.task, args.size)
    if net.task != args.task:
        parser.error(f"the weights are of task {net.task}, not {args.task}")
    net.to(device).train()
    first = saved["ema"] if saved else net.state_dict()
    ema = {k: v.clone().to(device) for k, v in first.items()}
    params = list(net.named_parameters())
    flat = [p for n, p in params if p.ndim == 1 or n.endswith("b")]
    deep = [p for n, p in params if not (p.ndim == 1 or n.endswith("b"))]
    groups = [{"params": deep, "weight_decay": 0.01}, {"params": flat, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=args.rate, betas=(0.9, 0.99), foreach=True)
    if saved:
        optimiser.load_state_dict(saved["optimiser"])
    step, spent, cpu, audio = (saved[k] for k in ("step", "spent", "cpu", "audio")) if saved else (0, 0.0, 0.0, 0.0)

    seed = args.seed * 1_000_003 + step
    rng = np.random.default_rng(seed)
    mixer = Mixer(Bank("train", device, args.bank), args.seconds, seed, args.task)
    valid = Bank("valid", device, args.bank)
    log = open(folder / "log.jsonl", "a")
    total = args.minutes * 60
    clock = time.time if args.clock == "wall" else time.process_time
    seen, since, cpu0 = {}, time.time(), time.process_time()
    size = f"{net.size.channels}x{net.size.layers}"

    def save():
        state = dict(net=net.state_dict(), ema=ema, optimiser=optimiser.state_dict(), task=net.task, size=size,
                     mode=mode.name, step=step, spent=spent, cpu=cpu, audio=audio, seed=args.seed)
        torch.save(state, folder / "last.tmp")
        os.replace(folder / "last.tmp", last)

    def note(row):
        log.write(json.dumps(row) + "\n")
        log.flush()

    while spent < total:
        left = (total - spent) / (total * args.decay)
        rate = args.rate * min(1.0, (step + 1) / 200) * (0.5 - 0.5 * math.cos(math.pi * min(1.0, left)))
        for g in optimiser.param_groups:
            g["lr"] = rate
        before = clock()
        terms, _ = batch_loss(net, mode, mixer, args.batch, rng, args.bf16)
        loss = sum(terms.values())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), GRADIENT_NORM)
        if math.isfinite(float(norm)):
            optimiser.step()
        step += 1
        fade = min(AVERAGE, (step + 1) / (step + 20))
        with torch.no_grad():
            torch._foreach_lerp_([ema[n] for n, _ in params], [p.data for _, p in params], 1 - fade)
        for k, v in terms.items():
            seen.setdefault(k, []).append(v.detach())
        seen.setdefault("norm", []).append(norm)
        spent += min(clock() - before, PAUSE)
        audio += args.batch * args.seconds / 3600
        if step % 50 == 0:
            now = time.process_time()
            cpu, cpu0 = cpu + now - cpu0, now
            means = {k: round(float(torch.stack(v).mean()), 5) for k, v in seen.items()}
            seen = {}
            note({"step": step, "hours": round(audio, 3), "minutes": round(spent / 60, 2), "cpu_s": round(cpu),
                  "rate": round(rate, 6), "train": means})
        if time.time() - since > args.save_minutes * 60 or spent >= total:
            save()
            own = {k: v.clone() for k, v in net.state_dict().items()}
            net.load_state_dict(ema)
            row = {"step": step, "hours": round(audio, 3), "minutes": round(spent / 60, 2),
                   "valid": validate(net, mode, valid, args.task, args.seconds)}
            net.load_state_dict(own)
            note(row)
            print(json.dumps(row), flush=True)
            since = time.time()
    save()


if __name__ == "__main__":
    main()
