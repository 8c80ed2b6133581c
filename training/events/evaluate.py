"""Scores the shipped events model on held-out programmes: F1 by half second, by language, and what is confused.

    python -m training.events.evaluate [--model models/events] [--card]

Programmes are those of `mix.py` from the talkers, albums and noises of `test`: 60 s each, fresh layers. The model runs as the ONNX
file, one frame a step. A half second counts for a kind when at least half of its frames are told by the truth; it holds the
kind when half of those do. A quarter of a second around each beginning and end is not counted, as in the scoring of speech activity
by NIST (Rich Transcription 2009: a collar of 0.25 s). The verdict is that of the output `late`, at a half, taken `late_ms` afterwards.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.ndimage import maximum_filter1d

from ..common.graph import Steps
from .card import write_card
from .export import ID, ROOT
from .mix import KINDS, Programmes, Sources
from .net import HOP_S, LATER

BLOCK = round(0.5 / HOP_S)
SECONDS = 60.0
COLLAR = round(0.25 / HOP_S)
FORGET = 2 * BLOCK
"""Frames at the start that do not count."""


def collared(truth: np.ndarray) -> np.ndarray:
    """Truth `[T, 3]` with what lies near a beginning or an end not told."""
    changes = np.diff(truth, axis=0, prepend=truth[:1]) != 0
    return np.where(maximum_filter1d(changes.astype(np.uint8), 2 * COLLAR + 1, axis=0) > 0, -1, truth)


def blocks(said: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Verdicts and truth (-1: not told) by half second, `[n, 3]`, of probabilities and truth by frame `[T, 3]`."""
    n = len(truth) // BLOCK
    p = said[: n * BLOCK].reshape(n, BLOCK, -1).mean(1) > 0.5
    t = truth[: n * BLOCK].reshape(n, BLOCK, -1)
    told = (t >= 0).sum(1)
    held = (t == 1).sum(1) * 2 >= told
    return p, np.where(told * 2 >= BLOCK, held, -1)


class Count:
    """Hits and misses of one kind."""

    def __init__(self):
        self.n = np.zeros(4)

    def add(self, said: np.ndarray, truth: np.ndarray) -> None:
        known = truth >= 0
        self.n += [(known & said & (truth == 1)).sum(), (known & said & (truth == 0)).sum(),
                   (known & ~said & (truth == 1)).sum(), (known & ~said & (truth == 0)).sum()]

    @property
    def f1(self) -> float:
        hit, wrong, missed, _ = self.n
        return float(2 * hit / max(2 * hit + wrong + missed, 1))

    @property
    def recall(self) -> float:
        return float(self.n[0] / max(self.n[0] + self.n[2], 1))

    @property
    def precision(self) -> float:
        return float(self.n[0] / max(self.n[0] + self.n[1], 1))


def score(model: Path, count: int, part: str = "test", seed: int = 4) -> dict:
    """Counts by (kind, group); groups are "all" and languages."""
    mixer = Programmes(Sources(part), SECONDS, seed)
    step, counts = Steps(str(model / "model.onnx")), defaultdict(Count)
    for _ in range(count):
        segment = mixer.programme_segment()
        step.reset()
        got, truth = step({"power": segment.power}), collared(segment.truth)
        for head, said, true in (("late", got["late"][LATER:], truth[:-LATER]), ("now", got["now"], truth)):
            p, t = blocks(said[FORGET:], true[FORGET:])
            for i, kind in enumerate(KINDS):
                counts[kind, head, "all"].add(p[:, i], t[:, i])
                if head == "late" and segment.lang:
                    counts[kind, head, segment.lang].add(p[:, i], t[:, i])
    return counts


def table(counts: dict) -> list[str]:
    rows = ["| kind | F1 | recall | precision | F1 at once | half seconds |", "|---|---|---|---|---|---|"]
    for kind in KINDS:
        c, now = counts[kind, "late", "all"], counts[kind, "now", "all"]
        rows.append(f"| {kind} | {c.f1:.3f} | {c.recall:.3f} | {c.precision:.3f} | {now.f1:.3f} | {int(c.n.sum())} |")
    rows += ["", "| language | speech F1 | music F1 | half seconds |", "|---|---|---|---|"]
    for lang in sorted({k[2] for k in counts} - {"all"}):
        s, m = (counts[kind, "late", lang] for kind in ("speech", "music"))
        # Without music in any of a language's programmes there is no figure.
        music = f"{m.f1:.3f}" if m.n[0] + m.n[2] else ""
        rows.append(f"| {lang} | {s.f1:.3f} | {music} | {int(s.n.sum())} |")
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=ROOT / "models" / ID)
    parser.add_argument("--part", choices=("valid", "test"), default="test")
    parser.add_argument("--count", type=int, default=120, help="programmes of a minute")
    parser.add_argument("--card", action="store_true", help="write the figures into the card and the manifest")
    args = parser.parse_args()
    counts = score(args.model, args.count, args.part)
    rows = table(counts)
    print("\n".join(rows))
    if args.card:
        write_card(args.model, counts, rows, f"python -m training.events.evaluate --count {args.count} --card")


if __name__ == "__main__":
    main()
