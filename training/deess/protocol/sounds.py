"""Recall and precision of each class of sound, by hops.

Synthetic speech has known phonemes; breaths are put in its pauses by the mixer's generator, so those are of the
training's kind. Recorded speech has labels by analysis, breaths among them.
"""

import numpy as np

from .. import labels as lab
from ..bands import CLASSES
from ..mix import Mixer, Source, Store
from ..net import Net
from .reference import Reference
from .speech import scaled

SECONDS = 12


def count(net: Net, pairs) -> np.ndarray:
    """`[6, 6]` hops of each true class (rows) that are called each class, over (audio, classes)."""
    counts, ours = np.zeros((len(CLASSES), len(CLASSES))), Reference(net)
    for x, c in pairs:
        ours.decide(scaled(x))
        n = min(len(c), len(ours.classes))
        known = c[:n] != lab.UNSURE
        np.add.at(counts, (c[:n][known], ours.classes[:n].argmax(1)[known]), 1)
    return counts


def cuts(source: Source, seconds: float, least_band: float = 0.0):
    """The beginning of each piece of a source, and its classes."""
    for p in source.pieces:
        if p["band"] >= least_band:
            at, n = p["start"] // lab.HOP, min(int(seconds * 200), p["length"] // lab.HOP)
            yield source.audio[at * lab.HOP : (at + n) * lab.HOP].astype(np.float32) / 32768, np.array(source.classes[at : at + n])


def rows(name: str, counts: np.ndarray) -> list[list]:
    """Class, hops, recall and precision in %."""
    out = []
    for k, c in enumerate(CLASSES):
        true, called = counts[k].sum(), counts[:, k].sum()
        if k and true:
            out.append([name, c, int(true), f"{100 * counts[k, k] / true:.1f}", f"{100 * counts[k, k] / called:.1f}" if called else "never called"])
    return out


def breath_events(net: Net, part: str) -> list:
    """Recorded stretches around breaths that the analysis found: how many hops of breath there are, and how many of
    those the net calls so."""
    source = Source("speech", part, "deess-classes")
    pairs = []
    for p in source.pieces:
        at = p["start"] // lab.HOP
        c = np.array(source.classes[at : at + p["length"] // lab.HOP])
        for a, b in lab.runs(c == lab.BREATH)[:12]:
            first, last = max(0, a - 600), min(len(c), b + 100)
            x = source.audio[(at + first) * lab.HOP : (at + last) * lab.HOP].astype(np.float32) / 32768
            pairs.append((x, c[first:last]))
    return rows("recorded, around breaths found by analysis", count(net, pairs)) if pairs else []


def table_rows(net: Net, part: str) -> list[list]:
    """Lines of the table."""
    mixer = Mixer(Store(part), SECONDS, 17)
    synth = count(net, (mixer.breathe(x, c) for x, c in cuts(Source("deess-synth", part, "deess-synth"), SECONDS)))
    real = count(net, cuts(Source("speech", part, "deess-classes"), 2 * SECONDS, 12_000))
    return rows("synthetic, with generated breaths", synth) + rows("recorded, labels by analysis", real) + [
        r for r in breath_events(net, part) if r[1] == "breath"]
