"""The loss: L1 on waves, L1 on compressed complex spectra, and an SDR term.

All three compare the sums that are known of a mixture's stems (`mix.py`'s groups).
"""

from dataclasses import dataclass

import torch

from .frames import Mode, analyse, synthesise
from .mix import LEVEL
from .net import apply

POWER = 0.5
EPS = 1e-7
SDR_FLOOR = 1e-3
"""Share of the mixture's power that is added to a stem's and to its error's: below -30 dB of the mix
more silence is not asked for."""


@dataclass(frozen=True)
class Weights:
    """Shares of the terms."""

    wave: float = 1.0
    spectrum: float = 1.0
    sdr_per_db: float = 0.01


def compressed(z: torch.Tensor) -> torch.Tensor:
    """Real pairs of `z` with magnitudes to the power of 0.5."""
    e = z.real.square() + z.imag.square() + EPS
    return torch.view_as_real(z * e.pow((POWER - 1) / 2))


def together(groups: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The known sums of stems `[B, K, ...]`."""
    flat = x.flatten(2)
    g = groups.to(flat.dtype)
    return (g @ flat).reshape(x.shape)


def loss_terms(low, high, spec, stems, groups, mode: Mode, weights: Weights = Weights()) -> tuple[dict, torch.Tensor]:
    """Terms of the loss of a net's masks on a mixture's spectra `spec` `[B, 2, T, 961]` with stems `[B, K, 2, n]`;
    also the separated waves `[B, K, 2, n]` in their groups."""
    w, (n, hop) = weights, mode.samples()
    estimate = together(groups, apply(low, high, spec))
    waves = synthesise(estimate, mode)
    # the last frames' overlaps are not complete
    whole = waves.shape[-1] - (n - hop)
    target = together(groups, stems)
    with torch.no_grad():
        true = compressed(analyse(target, mode) / LEVEL * 10)
    error = waves[..., :whole] - target[..., :whole]
    rows = groups.sum(-1).gt(0).float()
    rows = rows / rows.sum(1, keepdim=True)
    terms = {"wave": w.wave * ((error.abs().mean((2, 3)) / LEVEL) * rows).sum(1).mean()}
    d = (compressed(estimate / LEVEL * 10) - true).abs().mean((2, 3, 4, 5))
    terms["spectrum"] = w.spectrum * (d * rows).sum(1).mean()
    power = target[..., :whole].square().mean((2, 3))
    floor = SDR_FLOOR * power.sum(1, keepdim=True) + 1e-9
    ratio = 10 * torch.log10((error.square().mean((2, 3)) + floor) / (power + floor))
    terms["sdr"] = w.sdr_per_db * (ratio * rows).sum(1).mean()
    return terms, waves


@torch.no_grad()
def sdr_sums(waves: torch.Tensor, stems: torch.Tensor, groups: torch.Tensor, mode: Mode) -> tuple[torch.Tensor, torch.Tensor]:
    """Powers of targets and of errors `[B, K]`; groups of no stems have 0."""
    n, hop = mode.samples()
    whole = waves.shape[-1] - (n - hop)
    target = together(groups, stems)
    return (target[..., :whole].square().sum((2, 3)), (target - waves)[..., :whole].square().sum((2, 3)))
