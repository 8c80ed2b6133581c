"""Trains the model on moved features.

    python -m training.master.train --minutes 0.5
    python -m training.master.train --name wide --hidden 128

Each batch takes analysed pieces, as they are or with changed dynamics, moves their tone and width by random amounts
(`features.shift`), and leaves a share alone. Progress is measured on valid songs, changed in the same way.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from ..common.place import RUNS
from .degrade import draw_tone, draw_width
from .features import CENTRAL, DYNAMICS, MONO_DB, MOVES, TONES, UNHEARD_DB, WIDES, Places, at_octaves, at_thirds, shift, targets
from .net import HIDDEN, MEMBERS, Net
from .prepare import BASE

UNTOUCHED = 0.3
"""Share of the examples that are left alone: there is nothing to do."""
MIXED = 0.6
"""Share of the examples that are mixtures of two songs."""
STILL_DB = {"tone": 0.25, "width": 0.5, "dynamics": 0.25}
"""Untouched songs may be moved by so much on average, by group."""
DEAD_DB = {"tone": 0.5, "width": 0.0, "dynamics": 0.0}
"""Moves of so much in their mean are none, and larger ones are smaller by it (`STILL_DB` of the engine's proposal)."""
EVIDENCE_GRID = np.geomspace(0.1, 5.0, 24)
GROUPS = {"tone": TONES, "width": WIDES, "dynamics": DYNAMICS}
VALID_ROWS = 2000
TASTE = 4.0
"""Deviation in dB of the curves by which finished songs are varied."""
BANK = 20_000
"""Curves that are drawn once."""


class Data:
    """Analysed pieces of a part, and damage from a bank."""

    def __init__(self, parts: dict, part: str, seed: int = 0):
        files = [np.load(p) for p in sorted(BASE.glob("*.npz")) if ".part" not in p.name]
        files = [f for f in files if parts[str(f["key"])] == part]
        names = tuple(files[0]["table"])
        self.places = Places(names)
        self.names = names
        self.original, self.given, self.of, self.album, self.song = [], [], [], [], []
        start = 0
        for number, f in enumerate(files):
            self.original.append(f["original"])
            self.given.append(f["given"])
            self.of.append(f["of"] + start)
            start += len(f["original"])
            self.album += [str(f["album"])] * len(f["original"])
            self.song += [number] * len(f["original"])
        self.original = np.concatenate(self.original)
        self.given = np.concatenate([g for g in self.given if len(g)])
        self.of = np.concatenate(self.of).astype(int)
        self.song, self.album = np.array(self.song), np.array(self.album)
        self.variants = [[] for _ in range(start)]
        for i, piece in enumerate(self.of):
            self.variants[piece].append(i)
        # An album of many songs counts by the root of their number.
        counts = {a: (self.album == a).sum() for a in set(self.album)}
        weight = np.array([counts[a] ** -0.5 for a in self.album])
        self.chance = np.cumsum(weight / weight.sum())
        rng = np.random.default_rng(seed)
        self.tones = np.stack([at_thirds(draw_tone(rng)) for _ in range(BANK)]).astype(np.float32)
        self.widths = np.stack([draw_width(rng) for _ in range(BANK)]).astype(np.float32)
        self.octaves = np.stack([at_octaves(w) for w in self.widths]).astype(np.float32)
        # Smooth random curves with a deviation of 1 dB.
        smooth = gaussian_filter1d(rng.normal(0, 1, (4096, 30 + 2 * 12)), 3.0, axis=1)[:, 12:-12]
        self.tastes = (smooth / smooth.std()).astype(np.float32)
        self.taste = TASTE
        self.vary = part == "train"
        self.rng = rng

    def pair(self, piece: np.ndarray, alone: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features of pieces, and of the same with other dynamics where there are any and they are not left alone."""
        original = self.original[piece]
        given = original.copy()
        for row, p in enumerate(piece):
            if self.variants[p] and not alone[row] and self.rng.random() < 0.7:
                given[row] = self.given[self.variants[p][self.rng.integers(len(self.variants[p]))]]
        return original, given

    def batch(self, rows: int, untouched: float = UNTOUCHED):
        """Features, moves, which of them are known, and the piece of each row."""
        rng = self.rng
        piece = np.searchsorted(self.chance, rng.random(rows)).clip(0, len(self.chance) - 1)
        alone = rng.random(rows) < untouched
        original, given = self.pair(piece, alone)
        if self.vary:
            # Songs between songs: there are too few to fill the space of what music is like.
            other = np.searchsorted(self.chance, rng.random(rows)).clip(0, len(self.chance) - 1)
            part = np.where(rng.random((rows, 1)) < MIXED, rng.uniform(0, 0.5, (rows, 1)), 0).astype(np.float32)
            second, second_given = self.pair(other, alone)
            original = original + part * (second - original)
            given = given + part * (second_given - given)
            # And other tastes: what a curve of a few decibels makes of a finished song is finished, too.
            size = np.abs(rng.normal(0, self.taste, (rows, 1))).astype(np.float32)
            taste = size * self.tastes[rng.integers(len(self.tastes), size=rows)]
            none = np.zeros((rows, 3), np.float32), np.zeros((rows, 10), np.float32)
            original = shift(original, self.places, taste, *none)
            given = shift(given, self.places, taste, *none)
        t, w = rng.integers(BANK, size=rows), rng.integers(BANK, size=rows)
        keep_tone = (~alone & (rng.random(rows) < 0.9))[:, None]
        keep_width = (~alone & (rng.random(rows) < 0.8))[:, None]
        width = self.widths[w] * keep_width
        tone = self.tones[t] * keep_tone
        features = shift(given, self.places, tone, width, self.octaves[w] * keep_width)
        moves, known = targets(original, features, given[:, self.places.mean] + tone, width, self.places)
        return features.astype(np.float32), moves, known, piece


def loss_of(mean, log, moves, known, beta: float = 0.5):
    """Negative logarithm of the likelihood, weighted by the deviation to the power of 2 `beta`, so that what is hard
    is learned too (Seitzer and others, 2022)."""
    error = torch.square(mean - moves) * torch.exp(-2 * log)
    own = 0.5 * error + log
    own = own * torch.exp(2 * beta * log).detach()
    return (own * known).sum() / known.sum()


def figures(net: Net, features, moves, known) -> dict:
    """Errors with and without the moves: mean magnitude in dB by group; and the moves' own size."""
    with torch.no_grad():
        got, spread = (v.numpy() for v in net(torch.as_tensor(features)))
    out = {}
    for name, at in GROUPS.items():
        k = known[:, at]
        out[name] = float(np.abs(got - moves)[:, at][k].mean())
        out[name + " nothing"] = float(np.abs(moves[:, at][k]).mean())
        out[name + " sigma"] = float(np.sqrt(np.mean(np.square((got - moves) / spread)[:, at][k])))
    return out


def alone(net: Net, original, known) -> dict:
    """How far untouched masters would be moved: mean magnitude by group, dB."""
    with torch.no_grad():
        got = net(torch.as_tensor(original))[0].numpy()
    return {name: float(np.abs(got[:, at])[known[:, at]].mean())
            for name, at in GROUPS.items()}


def confidence(moves, spread, name: str, half: float):
    """How far a group of moves is believed, `[rows, 1]`: one half where the mean of the squared moves, in units of
    their deviations, is `half`, less the dead zone. The engine does the same with the manifest's `evidence`."""
    at, dead = GROUPS[name], DEAD_DB[name]
    e = np.mean(np.square(moves / spread)[:, at], 1, keepdims=True)
    believed = e * e / (half * half + e * e)
    size = believed * np.abs(moves[:, at]).mean(1, keepdims=True)
    return believed * np.maximum(0, 1 - dead / np.maximum(size, max(dead, 1e-9)))


def choose_evidence(net: Net, features, moves, known, original) -> dict:
    """By group: the evidence at which confidence is one half, and errors and what is left of moves on untouched songs
    with it: what errs least of those by which untouched songs move by no more than `STILL_DB`."""
    with torch.no_grad():
        got, spread = (v.numpy() for v in net(torch.as_tensor(features)))
        still, still_spread = (v.numpy() for v in net(torch.as_tensor(original)))
    out = {}
    for name, at in GROUPS.items():
        rows = []
        for half in EVIDENCE_GRID:
            error = np.abs(confidence(got, spread, name, half) * got[:, at] - moves[:, at])[known[:, at]].mean()
            moved = np.abs(confidence(still, still_spread, name, half) * still[:, at])[known[:, at]].mean()
            rows.append((half, float(error), float(moved)))
        fit = [r for r in rows if r[2] <= STILL_DB[name]] or rows[-1:]
        best = min(fit, key=lambda r: r[1])
        out[name] = dict(evidence=best[0], error=best[1], nothing=float(np.abs(moves[:, at][known[:, at]]).mean()), untouched=best[2])
    return out


def album_spread(data: Data) -> np.ndarray:
    """How far two songs of one album lie apart in what the moves change: standard deviation `[37]`, dB."""
    first = np.flatnonzero(np.r_[True, np.diff(data.song) > 0])
    whole, album = data.original[first], data.album[first]
    levels = np.maximum(whole[:, data.places.mean], UNHEARD_DB)
    x = np.concatenate([levels - levels[:, CENTRAL].mean(1, keepdims=True),
                        np.maximum(whole[:, data.places.regions], MONO_DB), whole[:, data.places.above]], 1)
    total, count = np.zeros(x.shape[1]), 0.0
    for a in set(album):
        own = x[album == a]
        if len(own) > 1:
            total += np.sqrt(len(own)) * 2 * own.var(0, ddof=1)
            count += np.sqrt(len(own))
    return np.sqrt(total / count)


def part_of() -> dict:
    import csv

    from .songs import SPLIT

    with open(SPLIT) as f:
        return {r["key"]: r["part"] for r in csv.DictReader(f, delimiter="\t")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="last")
    parser.add_argument("--minutes", type=float, default=0.5, help="of CPU time")
    parser.add_argument("--hidden", type=int, default=HIDDEN)
    parser.add_argument("--members", type=int, default=MEMBERS)
    parser.add_argument("--drop", type=float, default=0.3)
    parser.add_argument("--decay", type=float, default=0.1, help="weight decay")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--untouched", type=float, default=UNTOUCHED)
    parser.add_argument("--taste", type=float, default=TASTE)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    torch.manual_seed(args.seed)
    parts = part_of()
    data = Data(parts, "train", args.seed)
    data.taste = args.taste
    held = Data(parts, "valid", 2)
    features, moves, known, piece = held.batch(VALID_ROWS, 0.0)
    valid = features, moves, known, held.original[piece]
    print(f"{len(set(data.song))} songs, {len(data.original)} pieces, {len(data.given)} variants, {len(valid[0])} valid", flush=True)
    net = Net(data.places.size, data.places.seen, args.hidden, args.members, args.drop)
    features, moves, known, _ = data.batch(8000, 0.0)
    net.fit(features, moves, known)
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.rate, weight_decay=args.decay)
    average = None
    folder = RUNS / "master"
    folder.mkdir(parents=True, exist_ok=True)
    start, step, told, sums = time.process_time(), 0, 0.0, []
    while True:
        part = (time.process_time() - start) / (60 * args.minutes)
        if part >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = args.rate * min(1.0, step / 200) * min(1.0, 2 * (1 - part) + 0.01)
        features, moves, known, _ = data.batch(args.batch, args.untouched)
        net.train()
        mean, log = net.parts(torch.as_tensor(features))
        loss = loss_of(mean, log, torch.as_tensor(moves) / net.prior, torch.as_tensor(known, dtype=torch.float32).expand_as(mean))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        sums.append(loss.item())
        step += 1
        if step > 300:
            now = {k: v.detach().clone() for k, v in net.state_dict().items()}
            average = now if average is None else {k: v + 0.003 * (now[k] - v) if v.is_floating_point() else now[k]
                                                   for k, v in average.items()}
        if part >= told:
            told += 0.1
            net.eval()
            got = figures(net, *valid[:3])
            still = alone(net, valid[3], valid[2])
            print(f"{part:.1f} step {step} loss {np.mean(sums):.4f} " + " ".join(f"{k} {v:.2f}" for k, v in got.items()
                  if "nothing" not in k) + " | alone " + " ".join(f"{v:.2f}" for v in still.values()), flush=True)
            sums = []
    if average is not None:
        net.load_state_dict(average)
    net.eval()
    got, still = figures(net, *valid[:3]), alone(net, valid[3], valid[2])
    evidence = choose_evidence(net, *valid)
    print(json.dumps(got), json.dumps(still))
    print(json.dumps(evidence))
    halves = np.zeros(len(MOVES))
    for name, at in GROUPS.items():
        halves[at] = evidence[name]["evidence"]
    torch.save({"net": net.state_dict(), "hidden": args.hidden, "members": args.members, "size": data.places.size,
                "names": data.names, "songs": len(set(data.song)), "valid": got, "alone": still, "groups": evidence,
                "extra": {"evidence": halves, "album": album_spread(data)}, "args": vars(args)}, folder / f"{args.name}.pt")


if __name__ == "__main__":
    main()
