"""Frames, and the bands of the de-esser's model.

A frame looks at the last 10 ms with a Hann window whose halves differ: it rises for 8 ms and
falls for 2 ms, so that it is steep at the recent end (in the manner of Mauler and Martin,
EUSIPCO 2007) and smooth at both, which keeps a vowel's leakage in the sibilants' bands under
-90 dB. The spectrum is `rfft(window * x) * 2 / sum(window)`: a tone of amplitude 1 reads 1 at
every rate. A step is taken every 5 ms.

A band's value is the mean of |X|^2 under a triangle over frequency. The 40 centres are
log-spaced from 100 Hz to 20 kHz. A triangle reaches from the centre below to the centre above,
but at least one bin's distance either way: the low bands, which lie closer than the bins,
become linear interpolation between two bins. Bands whose centre is not under the Nyquist
frequency are 0.
"""

import numpy as np

RATE = 48_000
WINDOW_MS, FALL_MS, HOP_MS = 10, 2, 5
BANDS = 40
LOWEST_HZ, HIGHEST_HZ = 100.0, 20_000.0

REDUCTION_BANDS = 12
REDUCTION_LOW_HZ, REDUCTION_HIGH_HZ = 2500.0, 16_000.0

CLASSES = ("none", "s", "sh", "f", "breath", "plosive")
MODES = ("voice", "singing", "mix")


def samples(ms: float, rate: int) -> int:
    """Whole samples of a time, halves up."""
    return int(np.floor(ms * rate / 1000 + 0.5))


def window(rate: int = RATE) -> np.ndarray:
    """The analysis window, `[samples(10 ms)]` float64."""
    n, m = samples(WINDOW_MS, rate), samples(FALL_MS, rate)
    rise = 0.5 - 0.5 * np.cos(np.pi * np.arange(n - m) / (n - m))
    fall = 0.5 + 0.5 * np.cos(np.pi * np.arange(m) / m)
    return np.concatenate([rise, fall])


def centres(count: int = BANDS, low: float = LOWEST_HZ, high: float = HIGHEST_HZ) -> np.ndarray:
    """Log-spaced band centres in Hz."""
    return low * (high / low) ** (np.arange(count) / (count - 1))


def triangles(hz: np.ndarray, at: np.ndarray, nyquist: float) -> np.ndarray:
    """Weights `[len(hz), len(at)]` of bins at `hz` (evenly spaced from 0) in bands centred at
    `at` (log-spaced); columns sum to 1, or to 0 where the centre is not below `nyquist`."""
    ratio = at[1] / at[0]
    step = hz[1] - hz[0]
    below = np.maximum(step, at - at / ratio)
    above = np.maximum(step, at * ratio - at)
    d = hz[:, None] - at[None, :]
    w = np.maximum(0, 1 - np.where(d < 0, -d / below, d / above))
    total = w.sum(0)
    held = (at < nyquist) & (total > 0)
    return np.where(held, w / np.where(held, total, 1), 0)


def matrix(rate: int = RATE, at: np.ndarray | None = None) -> np.ndarray:
    """`triangles` of the frame's bins at `rate`: `[bins, bands]` float64."""
    n = samples(WINDOW_MS, rate)
    return triangles(np.arange(n // 2 + 1) * rate / n, centres() if at is None else at, rate / 2)


def reduction_centres() -> np.ndarray:
    """Centres of the 12 bands in which reductions are given, Hz."""
    return centres(REDUCTION_BANDS, REDUCTION_LOW_HZ, REDUCTION_HIGH_HZ)


def spectra(x: np.ndarray, rate: int = RATE) -> np.ndarray:
    """Spectra `[frames, bins]` complex of `x` `[samples]`; frame t ends with sample
    `(t + 1) * hop`, the signal being preceded by zeros. A rest shorter than a hop is dropped."""
    import scipy.fft as fft

    w = window(rate)
    n, hop = len(w), samples(HOP_MS, rate)
    x = np.concatenate([np.zeros(n - hop, x.dtype), x])
    frames = np.lib.stride_tricks.sliding_window_view(x, n)[::hop]
    return fft.rfft(frames * (w * 2 / w.sum()).astype(x.dtype), axis=1)


def power(spec: np.ndarray) -> np.ndarray:
    """|X|^2, float."""
    return spec.real * spec.real + spec.imag * spec.imag


def bands(x: np.ndarray, rate: int = RATE) -> np.ndarray:
    """Band powers `[frames, 40]` of `x` `[samples]`."""
    p = power(spectra(x, rate))
    return p @ matrix(rate).astype(p.dtype)


PARITY_RATES = (16_000, 22_050, 44_100, 48_000, 96_000, 192_000)


def parity_signal(rate: int) -> np.ndarray:
    """Four frames' length of two tones and noise of a linear congruential generator, float64."""
    n = np.arange(4 * samples(WINDOW_MS, rate))
    state, noise = 1, np.empty(len(n))
    for i in n:
        state = (state * 1_664_525 + 1_013_904_223) & 0xFFFFFFFF
        noise[i] = (state >> 8) / (1 << 23) - 1
    return 0.3 * np.sin(2 * np.pi * 997 * n / rate) + 0.05 * np.sin(2 * np.pi * 6500 * n / rate) + 0.02 * noise


def parity_line(rate: int) -> str:
    """Rate and the 40 powers of the frame that ends with the signal."""
    w, x = window(rate), parity_signal(rate)
    p = power(np.fft.rfft(x[-len(w) :] * w) * (2 / w.sum())) @ matrix(rate)
    return " ".join([str(rate)] + [f"{v:.9e}" for v in p])


if __name__ == "__main__":
    print("\n".join(parity_line(rate) for rate in PARITY_RATES))
