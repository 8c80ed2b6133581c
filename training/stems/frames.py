"""Windows and spectra of the two modes, in PyTorch, for training and scoring.

A hop of 10 ms and a window of 40 ms are whole numbers of samples at 44.1, 48, 88.2, 96 and
192 kHz, and bins are 25 Hz apart at all of them. `standard` has square-root Hann windows (delay
40 ms); `low` has the asymmetric pair of `denoise.frames.windows` (delay 20 ms).
A spectrum is `rfft(window * x) * 2 / sum(window)`; bins above the Nyquist frequency are zero.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from ..denoise.frames import RATE, hann
from ..denoise.frames import windows as short_tailed

BIN_HZ = 25.0
BINS = 961


@dataclass(frozen=True)
class Mode:
    """One framing; times in milliseconds, `kind` names the window pair."""

    name: str
    window_ms: int
    hop_ms: int
    synthesis_ms: int
    kind: str

    def samples(self, rate: int = RATE) -> tuple[int, int]:
        """Window and hop in samples."""
        return rate * self.window_ms // 1000, rate * self.hop_ms // 1000


STANDARD = Mode("standard", 40, 10, 40, "sqrt-hann")
LOW = Mode("low", 40, 10, 20, "asymmetric-sqrt-hann")
MODES = {m.name: m for m in (STANDARD, LOW)}


@lru_cache(maxsize=None)
def windows(mode: Mode, rate: int = RATE) -> tuple[np.ndarray, np.ndarray]:
    """Analysis and synthesis window, each `[window]` float64; their product sums to 1 at the hop."""
    n, hop = mode.samples(rate)
    if mode.kind != "sqrt-hann":
        return short_tailed(mode, rate)
    analysis = np.sqrt(hann(n))
    return analysis, analysis / (hann(n).reshape(-1, hop).sum(0).mean())


@lru_cache(maxsize=None)
def _tensors(mode: Mode, rate: int, device: torch.device):
    a, s = windows(mode, rate)
    scale = 2 / a.sum()
    make = lambda v: torch.from_numpy(v).float().to(device)  # noqa: E731
    return make(a * scale), make(s / scale)


def analyse(x: torch.Tensor, mode: Mode, rate: int = RATE) -> torch.Tensor:
    """Spectra `[..., frames, 961]` complex64 of `x` `[..., samples]`.

    Frame t ends with sample (t + 1) * hop: zeros come before, as in a stream that has just begun.
    Samples after the last whole hop are dropped.
    """
    n, hop = mode.samples(rate)
    a, _ = _tensors(mode, rate, x.device)
    frames = torch.nn.functional.pad(x, (n - hop, 0)).unfold(-1, n, hop)
    spec = torch.fft.rfft(frames * a)
    if spec.shape[-1] == BINS:
        return spec
    out = spec.new_zeros(*spec.shape[:-1], BINS)
    k = min(BINS, spec.shape[-1])
    out[..., :k] = spec[..., :k]
    return out


def synthesise(spec: torch.Tensor, mode: Mode, rate: int = RATE) -> torch.Tensor:
    """Inverse of `analyse`, aligned with its input: `[..., frames * hop]`; what later frames
    would add to the last window - hop samples is missing there."""
    n, hop = mode.samples(rate)
    _, s = _tensors(mode, rate, spec.device)
    k = n // 2 + 1
    if k > spec.shape[-1]:
        spec = torch.nn.functional.pad(spec, (0, k - spec.shape[-1]))
    parts = (torch.fft.irfft(spec[..., :k], n) * s).unflatten(-1, (n // hop, hop))
    frames, count = spec.shape[-2], n // hop
    y = sum(torch.nn.functional.pad(parts[..., r, :], (0, 0, r, count - 1 - r)) for r in range(count))
    return y[..., count - 1 : count - 1 + frames, :].flatten(-2)
