"""What a bounce may add to a net's stems: runs with the frames' grid moved, averaged, and a multichannel Wiener filter.

Both use only what has been separated already, so they need no weights. `evaluate --bounce --back` scores them as the renderer's
qualities have them (`dsp-core/src/engines/stems/bounce`), with a second net's stems of the song turned round in time.
"""

import numpy as np
import torch

from ..denoise.frames import hann
from .frames import RATE

WINDOW_MS, HOP_MS = 80, 20
"""Frames of the Wiener filter, longer than the net's: stems have been told apart, now partials may be."""
SPAN_SECONDS = 4.0
"""A covariance is the mean over so long a stretch; stretches overlap by half."""
SHARE = 0.5
"""Of what is filtered in the result; all of it was worse on `valid`."""
FLOOR = 1e-10
"""Power added to what is inverted, relative to the loudest bin."""
LEAST = 1e-12
"""And at least, so that silence can be inverted in single precision."""


def moved(x: np.ndarray, run, place: int, count: int, hop: int) -> np.ndarray:
    """`run(x)` `[K, 2, n]` with the frames' grid at one of `count` places, a `count`-th of a hop apart."""
    late = place * hop // count
    return run(np.pad(x, ((0, 0), (late, 0))))[..., late:]


def _spectra(x: np.ndarray, n: int, hop: int) -> torch.Tensor:
    window = torch.from_numpy(np.sqrt(hann(n)).astype(np.float32))
    frames = -(-x.shape[-1] // hop) + n // hop - 1
    pad = (n - hop, frames * hop - x.shape[-1])
    padded = torch.nn.functional.pad(torch.from_numpy(np.ascontiguousarray(x)), pad)
    return torch.fft.rfft(padded.unfold(-1, n, hop)[..., :frames, :] * window)


def _waves(z: torch.Tensor, n: int, hop: int, length: int) -> np.ndarray:
    window = np.sqrt(hann(n)).astype(np.float32)
    scale = hop / np.square(window).sum()
    seg = torch.fft.irfft(z, n).numpy() * window * scale
    frames = seg.shape[-2]
    out = np.zeros((*seg.shape[:-2], frames * hop + n), np.float32)
    for t in range(frames):
        out[..., t * hop : t * hop + n] += seg[..., t, :]
    return out[..., n - hop : n - hop + length]


def _filtered(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """One step of expectation maximisation (Duong et al. 2010; Nugraha et al. 2016) for a stretch: mixture `x` `[2, T, F]`, stems
    `y` `[K, 2, T, F]`. With v the mean power over channels and R the covariance over the stretch, relative to v,
    a stem is v R (sum of v R)^-1 x."""
    v = y.abs().square().mean(1)
    outer = torch.einsum("kctf,kdtf->kfcd", y, y.conj())
    cov = outer / (v.sum(1) + 1e-20)[..., None, None]
    each = v[..., None, None] * cov[:, None]
    total = each.sum(0)
    a, b, c, d = total[..., 0, 0], total[..., 0, 1], total[..., 1, 0], total[..., 1, 1]
    floor = FLOOR * (a.real + d.real).max() + LEAST
    a, d = a + floor, d + floor
    det = a * d - b * c
    inverse = torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], -2) / det[..., None, None]
    white = torch.einsum("tfcd,dtf->tfc", inverse, x)
    return torch.einsum("ktfcd,tfd->kctf", each, white)


def wiener(x: np.ndarray, stems: np.ndarray, share: float = SHARE, window_ms: int = WINDOW_MS, span: float = SPAN_SECONDS) -> np.ndarray:
    """`stems` `[K, 2, n]` of the mixture `x` `[2, n]` after a multichannel Wiener filter, mixed with themselves by `share`;
    the last is what is left of the mix."""
    n = RATE * window_ms // 1000
    hop = n // 4
    z, y = _spectra(x, n, hop), _spectra(stems, n, hop)
    size = int(span * RATE / hop)
    half = size // 2
    out = torch.zeros_like(y)
    weight = torch.zeros(z.shape[1])
    for at in range(-half, z.shape[1], half):
        a, b = max(at, 0), min(at + size, z.shape[1])
        w = torch.from_numpy(np.hanning(size + 2)[1:-1].astype(np.float32))[a - at : b - at]
        out[:, :, a:b] += _filtered(z[:, a:b], y[:, :, a:b]) * w[:, None]
        weight[a:b] += w
    got = _waves(out / weight[:, None], n, hop, x.shape[1])
    mixed = share * got + (1 - share) * stems
    mixed[-1] = x - mixed[:-1].sum(0)
    return mixed
