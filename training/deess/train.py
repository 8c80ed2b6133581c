"""Trains the de-esser's model; the same command goes on where it stopped.

    python -m training.deess.train --minutes 60
    python -m training.deess.train --name more --init models/deess      # from shipped weights

The rate is constant and falls to zero as a half cosine over the last part of `--minutes`
(training time, kept in the checkpoint). `--minutes` may be raised before a run goes on.
"""

import argparse

import numpy as np
import torch

from ..common.place import RUNS
from ..common.trainer import Plan, Trainer, arguments, begin, last_of, prepare_process
from .export import load_onnx
from .loss import figures, loss_terms
from .mix import Mixer, Pool, Store
from .net import LACKING, Net, features

AVERAGE, GRADIENT_NORM = 0.999, 1.0


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
    lack = None if rng is None else torch.from_numpy((rng.random((count, len(LACKING))) >= LACKING).astype(np.float32))
    raw, _ = net(torch.from_numpy(x), goes_on=state is not None, lack=lack)
    batch = tensors(batch)
    return loss_terms(raw, batch), (raw, batch)


class Fixed:
    """Mixtures of held-out talkers, voices and languages, made once."""

    def __init__(self, seconds: float, count: int = 28, each: int = 4):
        mixer = Mixer(Store("valid"), seconds, seed=99)
        self.batches, self.next = [mixer.batch(each) for _ in range(count // each)], 0

    def batch(self, _: int) -> dict:
        self.next = (self.next + 1) % len(self.batches)
        return self.batches[self.next]


@torch.no_grad()
def validate(net: Net, fixed: Fixed) -> dict:
    """Loss terms and readable figures."""
    sums, total = {}, {}
    for _ in fixed.batches:
        terms, (raw, batch) = batch_loss(net, fixed, 4)
        for k, v in terms.items():
            sums[k] = sums.get(k, 0) + float(v) / len(fixed.batches)
        for k, (v, n) in figures(raw, batch).items():
            a, b = total.get(k, (0, 0))
            total[k] = (a + v, b + n)
    out = {k: round(v, 5) for k, v in sums.items()}
    out["loss"] = round(sum(out.values()), 5)
    return out | {k: round(v / max(n, 1), 4) for k, (v, n) in total.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments(parser, minutes=60, rate=2e-3, batch=4, seconds=9.0, clock="cpu", save_minutes=3)
    parser.add_argument("--with-valid", action="store_true",
                        help="train on the talkers and voices of valid as well: for a last run, whose scores on valid mean nothing")
    parser.add_argument("--pool", type=int, default=700, help="segments kept for further use")
    args = parser.parse_args()
    prepare_process(args.seed)
    folder = RUNS / (args.name or "deess")
    saved = last_of(folder)
    net = begin(Net(), saved, args, load_onnx)
    trainer = Trainer(net, folder, Plan.of(args, average=AVERAGE, norm=GRADIENT_NORM), saved)

    seed = args.seed * 1_000_003 + trainer.step
    rng = np.random.default_rng(seed)
    mixer = Pool(Mixer(Store("train", both=args.with_valid), args.seconds, seed), args.pool)
    valid = Fixed(args.seconds)
    trainer.run(lambda: batch_loss(net, mixer, args.batch, rng)[0], args.seconds / 3600 * Pool.FRESH, lambda: validate(net, valid), args=vars(args))


if __name__ == "__main__":
    main()
