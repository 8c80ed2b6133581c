"""The de-esser's engine in NumPy, offline: what `cargo xtask render deess` does with default settings.

Decisions come from the network in PyTorch, whose exported graph equals it. `a hop`'s filter is
the sum over bands of (gain - 1) times a linear-phase basis of 2 ms, and changes along a ramp of
1 ms laid where the high band's energy rises or falls.
"""

import numpy as np
import scipy.signal as sig
import torch

from ..bands import HOP_MS, RATE, REDUCTION_BANDS, bands, reduction_centres, samples
from ..loss import weight
from ..net import Net, run

HOP, HALF = samples(HOP_MS, RATE), samples(1, RATE)
MOST_DB = 15.0
STEP_DB, EDGE, SIDE, STEPS = 1.0, 2.5, 3, 10
"""Least change of a reduction that is an edge; least ratio of powers; steps of half a millisecond."""


def basis(rate: int = RATE) -> np.ndarray:
    """Taps `[12, 2 * half + 1]`: triangles linear in Hz between neighbouring centres, the last open
    at the top, through a squared-cosine window."""
    c = reduction_centres()
    ratio = c[1] / c[0]
    edge = np.concatenate([[c[0] / ratio], c, [c[-1] * ratio]])
    f = (np.arange(1 << 15) + 0.5) * (rate / 2 / (1 << 15))
    half = samples(1, rate)
    m = np.arange(-half, half + 1)
    turn = np.cos(2 * np.pi * np.outer(f, np.arange(half + 1)) / rate)
    out = []
    for k in range(REDUCTION_BANDS):
        rise = (f - edge[k]) / (edge[k + 1] - edge[k])
        fall = np.ones_like(f) if k == REDUCTION_BANDS - 1 else (edge[k + 2] - f) / (edge[k + 2] - edge[k + 1])
        out.append((np.clip(np.minimum(rise, fall), 0, 1)[:, None] * turn).mean(0))
    taps = np.array(out)
    taps = np.concatenate([taps[:, :0:-1], taps], 1) * np.cos(np.pi * m / (2 * (half + 1))) ** 2
    # so short filters smear over their neighbours: two steps towards the inverse of the responses at the centres
    held = c < rate / 2
    response = np.where(held, taps @ np.cos(2 * np.pi * np.outer(m, c) / rate), 0)
    over = np.where(np.outer(held, held), np.eye(len(c)) - response, 0)
    return (np.eye(len(c)) + over + over @ over) @ taps


class Reference:
    """De-esses mono audio at 48 kHz. After a call `reductions` `[hops, 12]` dB and `classes` `[hops, 6]` stand here;
    hop t covers the input's samples from 240 t."""

    def __init__(self, net: Net, amount: float = 1.0):
        self.net, self.amount, self.basis = net.eval(), amount, basis()

    def decide(self, x: np.ndarray, mode: int = 0) -> np.ndarray:
        out, _ = run(self.net, bands(x.astype(np.float32)), np.eye(3)[mode])
        self.classes = out["classes"]
        w = weight(torch.from_numpy(out["classes"])).numpy()
        self.reductions = np.minimum(self.amount * w * out["excess"], MOST_DB)
        return self.reductions

    def __call__(self, x: np.ndarray, mode: int = 0) -> np.ndarray:
        return apply(x, self.decide(x, mode), self.basis)


def apply(x: np.ndarray, reductions: np.ndarray, taps: np.ndarray | None = None) -> np.ndarray:
    """`x` with `reductions` `[hops, 12]` dB taken off, aligned with `x`."""
    taps = basis() if taps is None else taps
    hops = len(reductions)
    y = x.astype(np.float64).copy()
    active = np.flatnonzero(reductions.any(1))
    if not len(active):
        return y
    gains = 10 ** (-reductions / 20) - 1
    powers = step_powers(x, hops)
    # Weights by output sample; the hop that goes out starts HALF samples before the one that came in.
    old, w = np.zeros(REDUCTION_BANDS), np.zeros((hops * HOP, REDUCTION_BANDS), np.float32)
    last = np.zeros(REDUCTION_BANDS)
    for t in range(hops):
        new, r = gains[t], reductions[t]
        if not new.any() and not old.any():
            continue
        a, b = ramp(last, r, powers, t)
        along = np.clip((np.arange(HOP) - a + 1) / (b - a + 1), 0, 1)[:, None]
        w[t * HOP : (t + 1) * HOP] = old + (new - old) * along
        old, last = new, r
    added = np.zeros(hops * HOP)
    for k in range(REDUCTION_BANDS):
        band = sig.oaconvolve(x, taps[k])[HALF : HALF + len(x)]
        moved = np.concatenate([np.zeros(HALF), band])[: hops * HOP]
        added += w[: len(moved), k] * moved
    y[: hops * HOP - HALF] += added[HALF:]
    return y


def step_powers(x: np.ndarray, hops: int) -> np.ndarray:
    """Mean powers `[hops * 10]` of the high band in steps of half a millisecond."""
    sos = sig.butter(2, 3500, "high", fs=RATE, output="sos")
    high = sig.sosfilt(np.concatenate([sos, sos]), x[: hops * HOP])
    return np.square(high).reshape(-1, HOP // STEPS).mean(1)


def ramp(old: np.ndarray, new: np.ndarray, powers: np.ndarray, t: int) -> tuple[int, int]:
    """Start and end, in the hop that goes out, of the change from `old` to `new`."""
    d = new - old
    largest = d[np.argmax(np.abs(d))]
    length = min(HALF, HOP)
    if largest >= STEP_DB:
        at = find(powers, t, True)
        end = max(length if at is None else min(at + HALF, HOP), length)
        return end - length, end
    if largest <= -STEP_DB:
        at = find(powers, t, False)
        start = min(0 if at is None else min(max(at + HALF, 0), HOP), HOP - length)
        return start, start + length
    return 0, HOP


def find(powers: np.ndarray, t: int, rise: bool) -> int | None:
    """The sample from the start of hop `t` at which the energy rises or falls most, from -HALF on."""
    first = (t - 2) * STEPS
    p = powers[max(first, 0) : (t + 1) * STEPS]
    p = np.concatenate([np.zeros(3 * STEPS - len(p)), p])
    best, place = EDGE, None
    for at in range(SIDE, 3 * STEPS - 1):
        sample = at * (HOP // STEPS) - 2 * HOP
        if sample < -HALF:
            continue
        before, after = p[at - SIDE : at].mean() + 1e-15, p[at : at + SIDE].mean() + 1e-15
        ratio = after / before if rise else before / after
        if ratio > best:
            best, place = ratio, sample
    return place
