"""Windows and spectra of the two modes.

Both modes look through 20 ms of signal in bins of 50 Hz. A spectrum is
`rfft(window * x) * 2 / sum(window)`, so that a tone of amplitude A shows as A at every
sample rate. Bins above the Nyquist frequency are zero (there are always 481).
"""

from dataclasses import dataclass

import numpy as np

BINS = 481
BIN_HZ = 50.0
RATE = 48_000


@dataclass(frozen=True)
class Mode:
    """One framing: times in milliseconds, `kind` names the window pair."""

    name: str
    model_id: str
    window_ms: int
    hop_ms: int
    synthesis_ms: int
    kind: str


STANDARD = Mode("standard", "denoise", 20, 10, 20, "sqrt-hann")
LOW = Mode("low", "denoise-low", 20, 5, 10, "asymmetric-sqrt-hann")
MODES = {m.name: m for m in (STANDARD, LOW)}


def hann(length: int) -> np.ndarray:
    """Periodic Hann window, `[length]`."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


def windows(mode: Mode, rate: int = RATE) -> tuple[np.ndarray, np.ndarray]:
    """Analysis and synthesis window, each `[window]` float64; their product sums to 1 at the hop.

    The asymmetric pair follows Mauler and Martin, "A low delay, variable resolution,
    perfect reconstruction spectral analysis-synthesis system" (EUSIPCO 2007): a long rise,
    a short fall, and a synthesis that is zero but for the last two hops.
    """
    n, m = rate * mode.window_ms // 1000, rate * mode.hop_ms // 1000
    if mode.kind == "sqrt-hann":
        w = np.sqrt(hann(n))
        return w, w.copy()
    rise = np.sqrt(hann(2 * (n - m)))[: n - m]
    short = np.sqrt(hann(2 * m))
    analysis = np.concatenate([rise, short[m:]])
    synthesis = np.zeros(n)
    synthesis[n - 2 * m : n - m] = hann(2 * m)[:m] / analysis[n - 2 * m : n - m]
    synthesis[n - m :] = short[m:]
    return analysis, synthesis


def analyse(x: np.ndarray, mode: Mode, rate: int = RATE) -> np.ndarray:
    """Spectra `[frames, 481]` complex64 of `x` `[samples]`.

    Frame t ends with sample (t + 1) * hop: the signal is preceded by window - hop zeros, as
    in a stream that has just begun. Samples after the last whole hop are dropped.
    """
    a, _ = windows(mode, rate)
    n, m = len(a), rate * mode.hop_ms // 1000
    x = np.concatenate([np.zeros(n - m, np.float32), np.asarray(x, np.float32)])
    frames = np.lib.stride_tricks.sliding_window_view(x, n)[::m]
    spec = np.fft.rfft(frames * a.astype(np.float32), axis=1) * (2 / a.sum())
    out = np.zeros((len(frames), BINS), np.complex64)
    k = min(BINS, spec.shape[1])
    out[:, :k] = spec[:, :k]
    return out


def synthesise(spec: np.ndarray, mode: Mode, length: int, rate: int = RATE) -> np.ndarray:
    """Inverse of `analyse`, time-aligned with its input: `[length]` float32.

    The stream's delay (one synthesis window) is taken out here.
    """
    a, s = windows(mode, rate)
    n, m = len(a), rate * mode.hop_ms // 1000
    k = n // 2 + 1
    full = np.zeros((len(spec), k), np.complex64)
    full[:, : min(k, BINS)] = spec[:, :k]
    seg = np.fft.irfft(full * (a.sum() / 2), n, axis=1) * s
    y = np.zeros((len(spec) - 1) * m + n)
    for t in range(len(spec)):
        y[t * m : t * m + n] += seg[t]
    y = y[n - m :]
    out = np.zeros(length, np.float32)
    c = min(length, len(y))
    out[:c] = y[:c]
    return out
