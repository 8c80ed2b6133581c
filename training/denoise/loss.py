"""The loss, on spectra.

Compressed magnitudes and complex values at power 0.3 (as in many enhancers, after
arXiv 1811.07030) and 0.5, a penalty on taking too much, an SNR term over the segment, and
more weight where the clean frame is a fricative. Bins without truth (above a recording's own
band) weigh nothing.
"""

from dataclasses import dataclass

import numpy as np
import torch

from .frames import BIN_HZ, BINS
from .net import LOW_BINS

SCALE = 40.0
"""Brings speech of the mixer's level to spectra of order 1."""


@dataclass(frozen=True)
class Weights:
    """Shares of the terms; see the module's text."""

    base: float = 2.0
    complex_share: float = 0.3
    too_much: float = 0.15
    half_power: float = 1.0
    snr_per_db: float = 0.001
    snr_floor_db: float = -30.0
    fricative: float = 4.0
    fricative_too_much: float = 1.5


def bin_weights() -> torch.Tensor:
    """Weights of the bins `[481]`: 1 up to 4 kHz, 0.35 from 5 to 12 kHz, 0.15 above 16 kHz."""
    hz = np.arange(BINS) * BIN_HZ
    return torch.from_numpy(np.interp(hz, [0, 4000, 5000, 12000, 16000], [1, 1, 0.35, 0.35, 0.15])).float()


def fricatives(target: torch.Tensor) -> torch.Tensor:
    """1 where the clean frame has 1.5 times more energy above 4 kHz than below 3 kHz;
    `target` `[B, T, 481, 2]`, result `[B, T, 1]`."""
    e = target.square().sum(-1)
    low, high = e[..., :60].sum(-1), e[..., 80:].sum(-1)
    return ((high > 1.5 * low) & (high > 1e-3)).float()[..., None]


def loss_terms(mask, gain, mixture, target, top, weights: Weights = Weights()) -> dict:
    """Terms of the loss of a mask's low part `[B, T, 96, 2]` and high gains `[B, T, 385]` on
    `mixture`, `target` `[B, T, 481, 2]`, `top` `[B]` (first bin without truth)."""
    w = weights
    mixture, target = mixture * SCALE, target * SCALE
    xl = mixture[:, :, :LOW_BINS]
    re = xl[..., 0] * mask[..., 0] - xl[..., 1] * mask[..., 1]
    im = xl[..., 0] * mask[..., 1] + xl[..., 1] * mask[..., 0]
    re = torch.cat([re, mixture[:, :, LOW_BINS:, 0] * gain], 2)
    im = torch.cat([im, mixture[:, :, LOW_BINS:, 1] * gain], 2)
    with torch.no_grad():
        hz = torch.arange(BINS, device=mixture.device)
        known = (hz[None, :] < top[:, None]).float()[:, None, :]
        s = (target.square().sum(-1) + 1e-8).sqrt()
        s3, s5 = s**0.3, s.sqrt()
        fric = fricatives(target)
        hiss = fric * ((hz >= 90) & (hz < 240)).float()
        base = (bin_weights().to(mixture.device) + w.fricative * hiss) * known
        guard = (w.too_much * bin_weights().to(mixture.device) + w.fricative_too_much * hiss) * known
        c3, c5 = (target / (s / p)[..., None] for p in (s3, s5))
        count = float(mixture.shape[0] * mixture.shape[1] * BINS)
    y = (re.square() + im.square() + 1e-8).sqrt()
    y5 = y.sqrt()
    y3 = y.pow(0.3)
    d = s3 - y3
    f3, f5 = y3 / y, y5 / y

    def spread(d, f, c):
        turn = (re * f - c[..., 0]).square() + (im * f - c[..., 1]).square()
        return (base * ((1 - w.complex_share) * d.square() + w.complex_share * turn)).sum() / count

    terms = {"base": w.base * spread(d, f3, c3)}
    terms["too_much"] = (guard * d.relu().square()).sum() / count
    terms["half"] = w.half_power * spread(s5 - y5, f5, c5)
    error = ((re - target[..., 0]).square() + (im - target[..., 1]).square()) * known
    error, power = error.sum((1, 2)), (s.square() * known).sum((1, 2))
    heard = power > 1e-3 * mixture.shape[1]
    ratio = error / (power + 1e-6) + 10 ** (w.snr_floor_db / 10)
    terms["snr"] = w.snr_per_db * (10 * torch.log10(ratio.clamp(max=1e3)) * heard).mean()
    return terms
