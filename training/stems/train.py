"""Trains a model of stems or dialogue; the same command goes on where it stopped.

    python -m training.stems.train --task stems --mode standard --minutes 600
    python -m training.stems.train --task stems --mode low --init training/runs/stems/last.pt --minutes 120
    python -m training.stems.train --task stems --device cuda --batch 48 --minutes 9

The rate is constant and falls to zero as a half cosine over the last part of `--minutes` (training
time in all, kept in the checkpoint; it may be raised before a run goes on). With a GPU the whole
bank lies in its memory and is mixed there.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from ..common.place import RUNS
from ..common.trainer import Plan, Trainer, arguments, last_of, prepare_process
from .export import load, model_id
from .frames import MODES, analyse, synthesise
from .loss import loss_terms, sdr_sums, together
from .mix import Bank, Mixer, Recipe
from .net import TASKS, Net, Size, apply, level_keep

PAUSE = 60.0
"""Seconds: a step that took longer was interrupted (a stopped process), and the rest is not counted."""
VALID_EXAMPLES, VALID_SECONDS = 24, 6.0
AVERAGE = 0.998
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
    return loss_terms(low, high.float(), spec, stems, groups, mode), (low, high.float(), spec, stems, groups)


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
        terms, (low, high, spec, stems, groups) = batch_loss(net, mode, mixer, 2)
        waves = synthesise(together(groups, apply(low, high, spec)), mode)
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
    arguments(parser, minutes=600, rate=1e-3, batch=2, seconds=5.8, save_minutes=5)
    parser.add_argument("--task", choices=TASKS, default="stems")
    parser.add_argument("--mode", choices=MODES, default="standard")
    parser.add_argument("--size", type=Size.parse, default=Size(), help="channels x layers, such as 96x4")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true", help="matrix products in bfloat16")
    parser.add_argument("--bank", type=Path, help="folder of the bank; training/cache/stems-bank by default")
    parser.add_argument("--runs", type=Path, default=RUNS)
    args = parser.parse_args()
    prepare_process(args.seed, args.device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    mode, device = MODES[args.mode], torch.device(args.device)
    folder = args.runs / (args.name or model_id(args.task, mode))
    saved = last_of(folder)
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
    trainer = Trainer(net, folder, Plan.of(args, average=AVERAGE, norm=GRADIENT_NORM, pause=PAUSE), saved)

    seed = args.seed * 1_000_003 + trainer.step
    rng = np.random.default_rng(seed)
    mixer = Mixer(Bank("train", device, args.bank), args.seconds, seed, args.task)
    valid = Bank("valid", device, args.bank)
    trainer.run(lambda: batch_loss(net, mode, mixer, args.batch, rng, args.bf16)[0], args.batch * args.seconds / 3600,
                lambda: validate(net, mode, valid, args.task, max(args.seconds, VALID_SECONDS)),
                task=net.task, size=f"{net.size.channels}x{net.size.layers}", mode=mode.name, seed=args.seed)


if __name__ == "__main__":
    main()
