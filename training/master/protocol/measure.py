"""What is measured: loudness after ITU-R BS.1770-5, and five distances of a master from its original."""

import numpy as np
from scipy.signal import lfilter

from ..degrade import REGIONS_HZ
from ..features import CENTRAL, THIRD_HZ, UNHEARD_DB

GATE_LUFS, RELATIVE_LU = -70.0, -10.0
WELCH = 8192
SPECTRA = (512, 2048, 8192)
"""Lengths of the log spectra."""
SPECTRUM_FLOOR_DB = -60.0
"""Under the loudest bin's long-term level; what lies lower counts as this."""
WIDTH_FLOOR_DB = -40.0
"""Sides under the middle by more are mono."""
MEASURES = ("thirds", "loudness", "width", "crest", "spectrum")


def k_weighting(rate: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """The two filters of BS.1770 at any rate, from their analogue form (parameters as in libebur128's derivation)."""
    out = []
    for f0, q, gain in ((1681.974450955533, 0.7071752369554196, 3.999843853973347), (38.13547087602444, 0.5003270373238773, None)):
        k = np.tan(np.pi * f0 / rate)
        a0 = 1 + k / q + k * k
        a = np.array([1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0])
        if gain is None:
            b = np.array([1.0, -2.0, 1.0])
        else:
            vh = 10 ** (gain / 20)
            vb = vh**0.4996667741545416
            b = np.array([vh + vb * k / q + k * k, 2 * (k * k - vh), vh - vb * k / q + k * k]) / a0
        out.append((b, a))
    return out


def loudness(x: np.ndarray, rate: float) -> float:
    """Integrated loudness of `x` `[channels, n]` (left and right, or one channel), LUFS; -inf of silence."""
    y = x.astype(np.float64)
    for b, a in k_weighting(rate):
        y = lfilter(b, a, y, axis=1)
    step = int(round(0.1 * rate))
    steps = y.shape[1] // step
    if steps < 4:
        return -np.inf
    power = np.square(y[:, : steps * step]).reshape(len(y), steps, step).mean(2).sum(0)
    blocks = np.convolve(power, np.full(4, 0.25), "valid")
    level = -0.691 + 10 * np.log10(blocks + 1e-30)
    kept = blocks[level > GATE_LUFS]
    if not len(kept):
        return -np.inf
    relative = -0.691 + 10 * np.log10(kept.mean()) + RELATIVE_LU
    kept = blocks[level > max(GATE_LUFS, relative)]
    return float(-0.691 + 10 * np.log10(kept.mean()))


def powers(x: np.ndarray, size: int) -> np.ndarray:
    """Spectra of power `[channels, frames, bins]` with half-overlapping Hann windows."""
    frames = np.lib.stride_tricks.sliding_window_view(x, size, axis=1)[:, :: size // 2]
    return np.square(np.abs(np.fft.rfft(frames * np.hanning(size).astype(np.float32), axis=2)))


def thirds(x: np.ndarray, rate: float) -> np.ndarray:
    """Long-term levels of the thirds of an octave `[30]`, dB."""
    mean = powers(x, WELCH).mean((0, 1))
    hz = np.arange(len(mean)) * rate / WELCH
    low, high = THIRD_HZ * 2 ** (-1 / 6), THIRD_HZ * 2 ** (1 / 6)
    total = np.concatenate([[0], np.cumsum(mean)])
    edge = lambda f: np.interp(f, np.append(hz - hz[1] / 2, hz[-1] + hz[1] / 2), total)  # noqa: E731
    return 10 * np.log10(edge(high) - edge(low) + 1e-12 * total[-1] + 1e-30)


def limit_hz(x: np.ndarray, rate: float) -> float:
    """Where a codec or an earlier rate ends: the last place within 70 dB of the level at 1 to 4 kHz."""
    mean = powers(x, WELCH).mean((0, 1))
    hz = np.arange(len(mean)) * rate / WELCH
    reference = mean[(hz >= 1000) & (hz <= 4000)].mean()
    above = np.flatnonzero(mean > 1e-7 * reference)
    return float(hz[above[-1]]) if len(above) else rate / 2


def compared(original: np.ndarray, rate: float) -> np.ndarray:
    """Which thirds `[30]` count: those that are heard in the original and not cut by its codec."""
    level = thirds(original, rate)
    whole = 10 * np.log10(np.sum(10 ** (level / 10)))
    return (level - whole > UNHEARD_DB) & (THIRD_HZ * 2 ** (1 / 6) < limit_hz(original, rate))


def tone_distance(original: np.ndarray, other: np.ndarray, rate: float) -> float:
    """Mean magnitude of the difference of the thirds, dB, a constant taken out."""
    use = compared(original, rate)
    difference = (thirds(other, rate) - thirds(original, rate))[use]
    central = np.zeros(30, bool)
    central[CENTRAL] = True
    return float(np.abs(difference - difference[central[use]].mean()).mean())


def sides(x: np.ndarray, rate: float) -> np.ndarray:
    """Sides over middle in three regions, dB."""
    both = np.stack([x[0] + x[1], x[0] - x[1]])
    power = powers(both, WELCH).mean(1)
    hz = np.arange(power.shape[1]) * rate / WELCH
    edges = (20.0, *REGIONS_HZ, 20_000.0)
    out = []
    for low, high in zip(edges[:-1], edges[1:]):
        middle, side = power[:, (hz >= low) & (hz < high)].sum(1)
        out.append(10 * np.log10((side + 1e-12 * middle + 1e-30) / (middle + 1e-30)))
    return np.maximum(np.array(out), WIDTH_FLOOR_DB)


def crest(x: np.ndarray) -> float:
    """Highest sample over RMS, dB."""
    return float(20 * np.log10(np.abs(x).max() / np.sqrt(np.mean(np.square(x, dtype=np.float64)))))


def spectrum_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean magnitude of the difference of the log spectra of left and right at three lengths, dB; levels are as given."""
    total = []
    for size in SPECTRA:
        p, q = powers(a, size), powers(b, size)
        floor = p.mean((0, 1)).max() * 10 ** (SPECTRUM_FLOOR_DB / 10)
        total.append(np.abs(10 * np.log10((p + floor) / (q + floor))).mean())
    return float(np.mean(total))


def distances(original: np.ndarray, other: np.ndarray, rate: float) -> dict[str, float]:
    """The five distances of `other` `[2, n]` from `original` `[2, n]`, aligned in time. `spectrum` is taken at equal
    loudness, so that it is not the loudness again."""
    n = min(original.shape[1], other.shape[1])
    original, other = original[:, :n], other[:, :n]
    louder = loudness(other, rate) - loudness(original, rate)
    return {"thirds": tone_distance(original, other, rate), "loudness": abs(louder),
            "width": float(np.abs(sides(other, rate) - sides(original, rate)).mean()),
            "crest": abs(crest(other) - crest(original)),
            "spectrum": spectrum_distance(original, other * np.float32(10 ** (-louder / 20)))}
