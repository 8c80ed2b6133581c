"""Classes of sound of recorded speech, by signal analysis alone.

    python -m training.deess.labels       # checks them against synthetic speech whose phonemes are known

Frames of 5 ms that look at 16 ms around their centre. Friction is found where the density of
power above the voice's formants stands over that below 2 kHz; runs grow from sure frames to
their edges, and a run is then named as a whole: a short one after a closure is a plosive, a
weak one f, a long weak one in a pause a breath, and s and sh differ by where the power lies.
Levels are relative to the talker's loud frames, which `prepare` sets to one level for each file.
Frames that could be either way are `UNSURE` and teach nothing.
"""

import numpy as np
import scipy.fft as fft

from .bands import CLASSES, RATE

HOP = RATE * 5 // 1000
NONE, S, SH, F, BREATH, PLOSIVE = range(len(CLASSES))
UNSURE = 255
SIBILANTS = (S, SH)

LOOK = 768
"""Samples that a frame sees."""
EDGES_HZ = (100, 400, 2000, 2800, 4200, 8000, 12_000)
"""Voice bar, vowels, between, sh's hump, s, top."""
SEED_DB, GROW_DB = 1.0, -7.0
"""High over low part of sure and of possible friction."""
VOWEL_BAR_DB, VOWEL_HUMP_DB, VOWEL_BELOW_DB = -1.0, -3.0, -12.0
"""100 to 400 Hz over friction's band, sh's hump over s's band, and 2 to 2.8 kHz over the hump, from which a
frame is a bright vowel."""
SIBILANT_DB = -21.0
"""Level of 3 to 12 kHz over the file's loud frames, from which a run is s or sh, not f."""
FRICTION_DB = -48.0
"""The same, from which it is friction at all."""
OVER_FLOOR_DB = 9.0
SILENCE_DB = -85.0
"""dBFS; a file that never rises above it holds nothing."""
GROW_FALL_DB = 22.0
"""A run reaches as far as the high part is within this of its loudest frame."""
PLOSIVE_MS, SHORT_MS, BREATH_MS = 45, 20, 140
"""Friction within 8 dB of its peak is a burst up to the first of these after a closure, up to the second anywhere."""
HUMP_DB = -5.0
"""2.8 to 4.2 kHz over 4.2 to 8 kHz: above it is sh, below s."""
CLOSURE_DB = -32.0
"""A closure's whole level over the loud frames."""


BREATH_RANGE_DB = (-46.0, -14.0)
"""Level of 0.4 to 8 kHz of a breath over the file's loud frames."""
BREATH_RUN_MS = (120, 1000)
BREATH_BAR_DB = -2.0
"""A breath has no voice bar: 100 to 400 Hz over 0.4 to 8 kHz."""
BREATH_BRIGHT_DB = -16.0
"""2 to 8 kHz over 0.4 to 2 kHz: less is a hum or a rumble."""
BREATH_ALONE_DB = 7.0
"""It stands over the 60 ms on either side."""
BREATH_STEADY_DB = 5.0
"""Largest mean change from one frame to the next but two: speech moves more."""

BAR_MOST_DB = 8.0
"""A voice bar this far over the friction: too much for z."""


def measures(x: np.ndarray, band: float) -> dict[str, np.ndarray]:
    """Powers in dB by frame `[frames]` of `x` `[samples]` whose own band ends at `band` Hz."""
    n = len(x) // HOP
    half = (LOOK - HOP) // 2
    y = np.concatenate([np.zeros(half, np.float32), x[: n * HOP].astype(np.float32), np.zeros(half, np.float32)])
    w = np.hanning(LOOK).astype(np.float32)
    e = np.empty((n, len(EDGES_HZ) - 1), np.float32)
    hz = np.arange(LOOK // 2 + 1) * RATE / LOOK
    top = [min(h, band) for h in EDGES_HZ]
    inside = [(hz >= a) & (hz < b) for a, b in zip(top, top[1:])]
    frames = np.lib.stride_tricks.sliding_window_view(y, LOOK)[::HOP][:n] if n else np.zeros((0, LOOK), np.float32)
    for at in range(0, n, 4096):
        s = fft.rfft(frames[at : at + 4096] * (w * 2 / w.sum()), axis=1)
        p = s.real**2 + s.imag**2
        for j, m in enumerate(inside):
            e[at : at + 4096, j] = p[:, m].sum(1)
    db = lambda v: 10 * np.log10(v + 1e-10)  # noqa: E731
    return {"bar": db(e[:, 0]), "low": db(e[:, 1]), "sh": db(e[:, 3]), "s": db(e[:, 4]), "top": db(e[:, 5]),
            "high": db(e[:, 3:].sum(1)), "all": db(e.sum(1)), "between": db(e[:, 2])}


def runs(flag: np.ndarray) -> list[tuple[int, int]]:
    """Starts and ends of the stretches of true."""
    d = np.diff(np.concatenate([[0], flag.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(d == 1), np.flatnonzero(d == -1)))


def label(x: np.ndarray, band: float = 20_000.0) -> np.ndarray:
    """Classes `[frames]` uint8 of one file's samples at 48 kHz; frame k covers 240 samples from 240 k."""
    m = measures(x, band)
    n = len(m["all"])
    out = np.full(n, NONE, np.uint8)
    if n < 8:
        return out
    if m["all"].max() < SILENCE_DB:
        return out
    loud = m["all"][m["all"] > m["all"].max() - 25].mean() + 3
    high, every = m["high"] - loud, m["all"] - loud
    floor = np.percentile(high[every > -90], 8) if (every > -90).any() else -90.0
    ratio = m["high"] - np.maximum(m["low"], m["between"] + 3)
    # an i has its second and third formant in sh's hump, but also a voice bar, which voiceless friction lacks
    # and which z has with its power above the hump
    vowel = (m["bar"] > m["high"] + VOWEL_BAR_DB) & (m["sh"] > m["s"] + VOWEL_HUMP_DB) & (
        m["between"] > m["sh"] + VOWEL_BELOW_DB)
    heard = (high > FRICTION_DB) & (high > min(floor + OVER_FLOOR_DB, -25))
    seed = heard & (ratio > SEED_DB) & ~vowel
    possible = heard & (ratio > GROW_DB) & ~vowel
    for a, b in runs(possible):
        if not seed[a:b].any():
            if high[a:b].max() > SIBILANT_DB:
                out[a:b] = UNSURE
            continue
        peak = high[a:b][seed[a:b]].max()
        near = high[a:b] > peak - GROW_FALL_DB
        for c, d in runs(near):
            c, d = a + c, a + d
            if seed[c:d].any():
                out[c:d] = name(m, high, every, c, d)
    return breaths(m, loud, out)


def breaths(m: dict, loud: float, out: np.ndarray) -> np.ndarray:
    """`out` with breaths: wide turbulence without a voice bar that stands alone in a pause. Those that one test only
    speaks against become `UNSURE`."""
    part = lambda *names: 10 * np.log10(sum(10 ** (m[k] / 10) for k in names) + 1e-10)  # noqa: E731
    wide, bright = part("low", "between", "sh", "s") - loud, part("between", "sh", "s") - loud
    floor = np.percentile(wide[wide > -90], 8) if (wide > -90).any() else -90.0
    here = ((wide > max(floor + OVER_FLOOR_DB, BREATH_RANGE_DB[0])) & (wide < BREATH_RANGE_DB[1] + 4) & np.isin(out, (NONE, F, BREATH, UNSURE))
            & (m["bar"] - loud < wide + BREATH_BAR_DB) & (bright > m["low"] - loud + BREATH_BRIGHT_DB))
    for a, b in runs(here):
        if not BREATH_RUN_MS[0] <= (b - a) * 5 <= BREATH_RUN_MS[1]:
            continue
        peak = np.percentile(wide[a:b], 80)
        sides = [wide[max(0, a - 12) : a], wide[b : b + 12]]
        alone = sum(len(v) < 2 or v.min() < peak - BREATH_ALONE_DB for v in sides)
        moves = np.abs(wide[a + 3 : b] - wide[a : b - 3]).mean()
        against = (2 - alone) + (moves > BREATH_STEADY_DB) + (peak > BREATH_RANGE_DB[1])
        if against == 0:
            out[a:b] = BREATH
        elif against == 1:
            out[a:b] = np.where(out[a:b] == NONE, UNSURE, out[a:b])
    return out


def name(m: dict, high, every, a: int, b: int) -> int:
    """The class of the friction in frames a to b."""
    before = every[max(0, a - 8) : a]
    closed = a < 2 or len(before) == 0 or before.min() < CLOSURE_DB
    core = slice(a, b)
    loud = high[core] > high[core].max() - 8
    ms, peak = int(loud.sum()) * 5, float(np.mean(high[core][loud]))
    if ms <= SHORT_MS or (ms <= PLOSIVE_MS and closed):
        return PLOSIVE
    if peak > SIBILANT_DB:
        if float(np.mean((m["bar"] - m["high"])[core][loud])) > BAR_MOST_DB:
            return UNSURE
        hump = float(np.mean(m["sh"][core][loud] - m["s"][core][loud]))
        return SH if hump > HUMP_DB else S
    alone = closed and every[b : b + 8].size and every[b : b + 8].min() < CLOSURE_DB
    if (b - a) * 5 >= BREATH_MS and alone:
        return BREATH
    return F


def by_files(piece: dict, audio: np.ndarray) -> np.ndarray:
    """Classes of all of a piece's frames, on the grid of the memory map: frame k of the map
    covers its samples 240 k to 240 (k + 1)."""
    first = piece["start"] // HOP
    out = np.full((piece["start"] + piece["length"]) // HOP + 1 - first, NONE, np.uint8)
    for start, length, *_ in piece["files"]:
        at = -(-start // HOP)
        skip = at * HOP - start
        got = label(audio[start + skip : start + length].astype(np.float32) / 32768, piece["band"])
        out[at - first : at - first + len(got)] = got
    return out


def check(part: str = "valid") -> None:
    """Prints what share of synthetic phonemes of known class gets which label, by synthesiser."""
    import json

    from ..denoise.prepare import CACHE

    audio = np.memmap(CACHE / f"deess-synth-{part}.i16", np.int16, "r")
    truth = np.fromfile(CACHE / f"deess-synth-{part}.u8", np.uint8)
    groups, size = {}, len(CLASSES)
    for p in json.loads((CACHE / f"deess-synth-{part}.json").read_text()):
        counts = groups.setdefault(p["key"].split()[0], np.zeros((size, size + 1), int))
        for start, length in p["files"]:
            got = label(audio[start : start + length].astype(np.float32) / 32768, p["band"])
            known = truth[start // HOP : start // HOP + len(got)]
            sure = known != UNSURE
            np.add.at(counts, (known[sure], np.minimum(got[sure], size)), 1)
    print("| synthesiser, phoneme | frames | " + " | ".join((*CLASSES, "unsure")) + " |")
    print("| --- " * (size + 3) + "|")
    for group, counts in groups.items():
        for k, row in enumerate(counts):
            if row.sum():
                cells = " | ".join(f"{100 * v / row.sum():.1f}" for v in row)
                print(f"| {group}, {CLASSES[k]} | {row.sum()} | {cells} |")


if __name__ == "__main__":
    check()
