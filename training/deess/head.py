"""Trains the head of the excess alone, on what the trunk lets it see.

    python -m training.deess.head --init training/runs/deess/last.pt --name head

The head looks at one step at a time, for all that lasts is in the cells and the memory. So its inputs are computed
once, for the steps alone where something could be reduced (a seventh), and it sees each of them many times at a
hundredth of the cost of training the whole net. Goes on with `python -m training.deess.train --init`.
"""

import argparse

import numpy as np
import torch

from ..common.place import RUNS
from ..common.trainer import Plan, Trainer, arguments, prepare_process
from . import labels as lab
from .loss import Weights, loss_terms, weight
from .mix import Mixer, Pool, Store
from .net import features
from .protocol.__main__ import load
from .train import AVERAGE, GRADIENT_NORM, run_in, tensors

FIELDS = ("classes", "sure", "target", "weight", "whistle", "centre", "width")
TOGETHER = 4
"""Segments through the trunk at a time."""


@torch.no_grad()
def collect(net, mixer, segments: int, rng) -> tuple[dict[str, torch.Tensor], float]:
    """Steps end to end in which the engine could reduce or should: inputs of the head, logits of the classes and the
    mixer's fields; and their share of all steps."""
    rows, every = [], 0
    for _ in range(segments // TOGETHER):
        batch = mixer.batch(TOGETHER)
        state = run_in(rng, batch["power"], batch["mode"])
        x, _ = features(batch["power"], batch["mode"], state)
        classes, seen, _ = net.trunk(torch.from_numpy(x), goes_on=state is not None)
        batch = tensors(batch)
        c = batch["classes"]
        chosen = (weight(torch.softmax(classes, -1))[..., 0] > 0) | (c == lab.S) | (c == lab.SH)
        rows.append({k: batch[k][chosen] for k in FIELDS} | {"logits": classes[chosen], "seen": seen[chosen].half()})
        every += chosen.numel()
    out = {k: torch.cat([r[k] for r in rows]) for k in rows[0]}
    return out, len(out["sure"]) / every


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments(parser, minutes=2, rate=2e-3, batch=4096, seconds=9.0, clock="cpu", save_minutes=60)
    parser.add_argument("--segments", type=int, default=2000)
    args = parser.parse_args()
    prepare_process(args.seed)
    net, rng = load(args.init), np.random.default_rng(args.seed)
    steps, share = collect(net, Pool(Mixer(Store("train"), args.seconds, args.seed + 77), args.segments), args.segments, rng)
    count = len(steps["sure"])
    print(f"{args.segments} segments, {count} steps, a share of {share:.3f}", flush=True)
    for name, p in net.named_parameters():
        p.requires_grad_(name.startswith(("balance", "out")))
    weights = Weights(classes=0, idle=0, damage=Weights.damage * share)

    def terms():
        chosen = torch.from_numpy(rng.integers(count, size=args.batch))
        batch = {k: v[chosen][None] for k, v in steps.items()}
        raw = torch.cat([batch["logits"], net.head(batch["seen"].float())], -1)
        return {k: v for k, v in loss_terms(raw, batch, weights).items() if k not in ("classes", "idle")}

    plan = Plan.of(args, average=AVERAGE, norm=GRADIENT_NORM, every=200)
    Trainer(net, RUNS / (args.name or "deess-head"), plan).run(terms, 0.0, dict, args=vars(args))


if __name__ == "__main__":
    main()
