"""The loss: L1 on compressed complex spectra and an SDR term, both on spectra.

Both compare the sums that are known of a mixture's stems (`mix.py`'s groups). A loss on waves besides them cost
a third of a step on a CPU; an error's power in overlapping frames is close to its power in the wave. On a CPU
`loss.c` gives value and gradient, 20 times faster than PyTorch's own.
"""

import ctypes
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from ..common.native import LOOSE, compiled
from .frames import BINS, Mode, analyse
from .mix import LEVEL
from .net import LOW_BINS, apply

EPS = 1e-7
SCALE = 10 / LEVEL
"""Of spectra before they are compressed."""
HIGH_SHARE = 0.33
"""Weight of a bin above 6 kHz: three of four bins lie there, with little of the power."""
SDR_FLOOR = 1e-2
"""Share of the mixture's power that is added to a stem's and to its error's: below -20 dB of the mix
more silence is not asked for."""


@dataclass(frozen=True)
class Weights:
    """Shares of the terms."""

    spectrum: float = 1.0
    sdr_per_db: float = 0.03


def compressed(z: torch.Tensor) -> torch.Tensor:
    """Real pairs of `z` with magnitudes to the power of 0.5."""
    e = z.real.square() + z.imag.square() + EPS
    return torch.view_as_real(z * e.sqrt().rsqrt())


def together(groups: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The known sums of stems `[B, K, ...]`."""
    flat = x.flatten(2)
    g = groups.to(flat.dtype)
    return (g @ flat).reshape(x.shape)


@lru_cache(maxsize=None)
def bin_weights(device: torch.device) -> torch.Tensor:
    """`[961]`, their mean 1."""
    w = torch.ones(BINS, device=device)
    w[LOW_BINS:] = HIGH_SHARE
    return w / w.mean()


def sums_plain(low, high, spec, true, groups) -> torch.Tensor:
    """`[B, K, 3]`: the power of the known sums `true` `[B, K, 2, T, 961]`, of their error, and the distance of
    compressed spectra, each summed over channels, frames and bins."""
    estimate = together(groups, apply(low, high, spec))
    power = lambda z: (z.real.square() + z.imag.square()).sum((2, 3, 4))  # noqa: E731
    d = (compressed(estimate * SCALE) - compressed(true * SCALE)).abs().sum(-1)
    return torch.stack([power(true), power(estimate - true), (d * bin_weights(spec.device)).sum((2, 3, 4))], -1)


@lru_cache(maxsize=None)
def library():
    """The compiled kernel, or None."""
    return compiled(Path(__file__).with_name("loss.c"), *LOOSE)


def _call(function, spec, true, tensors):
    b, k, _, t = true.shape[:4]
    numbers = [*map(ctypes.c_int64, (b, k, t)), ctypes.c_float(SCALE)]
    flat = [torch.view_as_real(v) if v.is_complex() else v for v in (spec, true, *tensors)]
    function(*numbers, *(ctypes.c_void_p(v.data_ptr()) for v in flat))


class _Sums(torch.autograd.Function):
    @staticmethod
    def forward(ctx, low, high, spec, true, groups):
        given = [v.detach().contiguous() for v in (low, high, spec, true, groups)]
        low, high, spec, true, groups = given
        out = torch.zeros(*true.shape[:2], 3, dtype=torch.float64)
        _call(library().loss_sums, spec, true, (low, high, groups, bin_weights(spec.device), out))
        ctx.save_for_backward(*given)
        return out.float()

    @staticmethod
    def backward(ctx, d):
        low, high, spec, true, groups = ctx.saved_tensors
        dlow, dhigh = torch.empty_like(low), torch.empty_like(high)
        share = d[..., [2, 1]].contiguous()
        _call(library().loss_gradient, spec, true, (low, high, groups, bin_weights(spec.device), share, dlow, dhigh))
        return dlow, dhigh, None, None, None


def sums(low, high, spec, true, groups) -> torch.Tensor:
    """As `sums_plain`, fused where that is possible."""
    if spec.is_cuda or not library():
        return sums_plain(low, high, spec, true, groups)
    return _Sums.apply(low, high, spec, true, groups)


def known_spectra(spec: torch.Tensor, stems: torch.Tensor, groups: torch.Tensor, mode: Mode) -> torch.Tensor:
    """Spectra `[B, K, 2, T, 961]` of the known sums of stems `[B, K, 2, n]` that add up to a mixture with `spec`."""
    out = torch.empty(*stems.shape[:2], *spec.shape[1:], dtype=spec.dtype, device=spec.device)
    rest = spec.clone()
    for k in range(stems.shape[1] - 1):
        out[:, k] = analyse(stems[:, k], mode)
        rest -= out[:, k]
    out[:, -1] = rest
    for b in (groups != torch.eye(stems.shape[1], device=groups.device)).flatten(1).any(1).nonzero()[:, 0].tolist():
        out[b] = together(groups[b : b + 1].to(out.dtype), out[b : b + 1])[0]
    return out


def loss_terms(low, high, spec, stems, groups, mode: Mode, weights: Weights = Weights()) -> dict:
    """Terms of the loss of a net's masks on a mixture's spectra `spec` `[B, 2, T, 961]` with stems `[B, K, 2, n]`."""
    with torch.no_grad():
        true = known_spectra(spec, stems, groups, mode)
    power, error, distance = sums(low, high, spec, true, groups).unbind(-1)
    rows = groups.sum(-1).gt(0).float()
    rows = rows / rows.sum(1, keepdim=True)
    terms = {"spectrum": weights.spectrum * (distance * rows).sum(1).mean() / (4 * spec.shape[2] * BINS)}
    power = power.detach()
    floor = SDR_FLOOR * power.sum(1, keepdim=True) + 1e-9
    ratio = 10 * torch.log10((error + floor) / (power + floor))
    terms["sdr"] = weights.sdr_per_db * (ratio * rows).sum(1).mean()
    return terms


@torch.no_grad()
def sdr_sums(waves: torch.Tensor, stems: torch.Tensor, groups: torch.Tensor, mode: Mode) -> tuple[torch.Tensor, torch.Tensor]:
    """Powers of targets and of errors `[B, K]` of separated waves `[B, K, 2, m]` (known sums); groups of no
    stems have 0."""
    n, hop = mode.samples()
    whole = waves.shape[-1] - (n - hop)
    target = together(groups, stems)
    return (target[..., :whole].square().sum((2, 3)), (target[..., :whole] - waves[..., :whole]).square().sum((2, 3)))
