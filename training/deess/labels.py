"""Classes of sound of recorded speech, by signal analysis alone.

    python -m training.deess.labels --check      # against synthetic speech whose phonemes are known

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
SIBILANT_DB = -21.0
"""Level of 3 to 12 kHz over the file's loud frames, from which a run is s or sh, not f."""
FRICTION_DB = -48.0
"""The same, from which it is friction at all."""
OVER_FLOOR_DB = 9.0
GROW_FALL_DB = 22.0
"""A run reaches as far as the high part is within this of its loudest frame."""
PLOSIVE_MS, SHORT_MS, BREATH_MS = 45, 20, 140
"""Friction within 8 dB of its peak is a burst up to the first of these after a closure, up to the second anywhere."""
HUMP_DB = -5.0
"""2.8 to 4.2 kHz over 4.2 to 8 kHz: above it is sh, below s."""
CLOSURE_DB = -32.0
"""A closure's whole level over the loud frames."""


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
    loud = m["all"][m["all"] > m["all"].max() - 25].mean() + 3
    high, every = m["high"] - loud, m["all"] - loud
    floor = np.percentile(high[every > -90], 8) if (every > -90).any() else -90.0
    ratio = m["high"] - np.maximum(m["low"], m["between"] + 3)
    heard = (high > FRICTION_DB) & (high > min(floor + OVER_FLOOR_DB, -25))
    seed = heard & (ratio > SEED_DB)
    possible = heard & (ratio > GROW_DB)
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
