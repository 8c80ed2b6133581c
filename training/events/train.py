"""Trains the events model; the same command goes on where it stopped.

    python -m training.events.train --minutes 15
    python -m training.events.train --name more --init models/events     # from shipped weights
"""

import argparse

import numpy as np
import torch
import torch.nn.functional as F

from ..common.place import RUNS
from ..common.trainer import Plan, Trainer, arguments, begin, last_of, prepare_process
from .export import load_onnx
from .mix import KINDS, Programmes, Sources
from .net import BANDS, LATER, Net, features

AVERAGE, GRADIENT_NORM = 0.998, 1.0
REUSE = 4.0
"""Segments that a layer serves."""
FRESH, KEPT = 0.25, 250
"""Share of a step's segments that are new; the others come from so many that are kept. Making one costs as much as
learning from it, and there are too many ways to mix for one to be learned by heart."""
COLOUR, KNOTS = 1.6, 8
"""Deviation of the equalisers' points (natural logarithm of power: 7 dB), and their number."""
WEIGHTS = {"speech": 1.0, "music": 1.0, "noise": 0.4}
"""Of the kinds' losses; what noise is lies in the eye of who mixed it."""
RUN_IN = 50
"""Frames at a segment's start that do not count: nobody can know yet."""


def targets(truth: torch.Tensor) -> torch.Tensor:
    """Truth `[B, T, 3]` as that of the two heads, `[B, T, 6]`: now, and some time ago."""
    late = F.pad(truth[:, :-LATER], (0, 0, LATER, 0), value=-1)
    return torch.cat([truth, late], -1)


def loss_terms(logits: torch.Tensor, truth: torch.Tensor) -> dict[str, torch.Tensor]:
    aim = targets(truth)[:, RUN_IN:]
    known = (aim >= 0).float()
    loss = F.binary_cross_entropy_with_logits(logits[:, RUN_IN:], aim.clamp(min=0).float(), reduction="none") * known
    weight = torch.tensor([WEIGHTS[kind] for kind in KINDS] * 2)
    by_head = weight * loss.sum((0, 1)) / known.sum((0, 1)).clamp(min=1)
    names = [f"{when}_{kind}" for when in ("now", "late") for kind in KINDS]
    return dict(zip(names, by_head))


class Kept:
    """Features and truth of segments, some new and some seen before."""

    def __init__(self, mixer: Programmes, seed: int):
        self.mixer, self.rng, self.rows = mixer, np.random.default_rng(seed), []

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        fresh = count if len(self.rows) < count else round(count * FRESH)
        power, truth = self.mixer.programmes(fresh)
        new = list(zip(features(power), truth))
        old = [self.rows[i] for i in self.rng.choice(len(self.rows), count - fresh, replace=False)] if fresh < count else []
        for row in new:
            if len(self.rows) < KEPT:
                self.rows.append(row)
            else:
                self.rows[self.rng.integers(KEPT)] = row
        x, t = zip(*new, *old)
        return torch.from_numpy(self.coloured(np.stack(x))), torch.from_numpy(np.stack(t)).to(torch.int64)


    def coloured(self, x: np.ndarray) -> np.ndarray:
        """The same through another equaliser each: of the features only the bands' levels see one that stands still. Else
        the songs are known by their spectra."""
        knots = self.rng.normal(0, COLOUR, (len(x), KNOTS))
        at = np.linspace(0, KNOTS - 1, BANDS)
        curves = np.stack([np.interp(at, np.arange(KNOTS), k) for k in knots]).astype(np.float32)
        x[:, :, :BANDS] = np.maximum(x[:, :, :BANDS] + curves[:, None], 0)
        return x


class Fixed:
    """Programmes of held-out talkers and albums, made once."""

    def __init__(self, seconds: float, count: int = 48):
        mixer = Programmes(Sources("valid"), seconds, seed=99)
        power, truth = mixer.programmes(count)
        self.x, self.truth = torch.from_numpy(features(power)), torch.from_numpy(truth).to(torch.int64)


@torch.no_grad()
def validate(net: Net, fixed: Fixed) -> dict:
    """Loss terms, and shares of frames told right."""
    net.eval()
    logits = net(fixed.x)
    net.train()
    out = {k: round(float(v), 4) for k, v in loss_terms(logits, fixed.truth).items()}
    out["loss"] = round(sum(out.values()), 4)
    aim = targets(fixed.truth)[:, RUN_IN:]
    right = ((logits[:, RUN_IN:] > 0) == (aim > 0)) & (aim >= 0)
    share = right.sum((0, 1)) / (aim >= 0).sum((0, 1))
    return out | {"right": [round(float(v), 4) for v in share]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments(parser, minutes=15, rate=3e-3, batch=8, seconds=12.0, clock="cpu", save_minutes=2)
    args = parser.parse_args()
    prepare_process(args.seed)
    folder = RUNS / (args.name or "events")
    saved = last_of(folder)
    net = begin(Net(), saved, args, load_onnx)
    trainer = Trainer(net, folder, Plan.of(args, average=AVERAGE, norm=GRADIENT_NORM), saved)
    seed = args.seed * 1_000_003 + trainer.step
    mixer = Kept(Programmes(Sources("train"), args.seconds, seed, reuse=REUSE), seed)
    valid = Fixed(args.seconds)

    def terms():
        x, truth = mixer.batch(args.batch)
        return loss_terms(net(x), truth)

    trainer.run(terms, FRESH * args.batch * args.seconds / 3600, lambda: validate(net, valid), args=vars(args))


if __name__ == "__main__":
    main()
