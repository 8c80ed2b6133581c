"""The network: bands, roughness and steadiness of a power spectrum, one GRU, three probabilities.

Speech is told from music by how fast its bands move, how tonal they are and whether the tones stay: so each frame
has 40 log bands, and in 12 wider ones how peaked the spectrum is now, how far it is from that of the last 50 ms,
and how much structure the spectrum of the last 250 ms keeps (tones that stay sharpen it, speech and noise blur
it; the idea of spectral flux and of the 4 Hz modulation features of Scheirer and Slaney, ICASSP 1997, left
to the net to weigh). A running mean of the level makes all of it independent of the input's gain.

`Net.forward` runs whole sequences for training; `export.py` writes the same sums as a graph of one frame.
"""

import numpy as np
import torch
from scipy.signal import lfilter
from torch import nn

from ..denoise.frames import BIN_HZ, BINS, STANDARD
from .mix import KINDS

BANDS = 40
BAND_HZ = (100.0, 20_000.0)
WIDE = 12
WIDE_HZ = (100.0, 16_000.0)
LEVEL_SECONDS = 3.0
LEVEL_TOP_BIN = 160
"""The level is that of the bins from 100 Hz to 8 kHz."""
LEVEL_FLOOR = 1e-5
"""Frames whose mean |X|^0.5 is not above this do not count, as in `denoise.net`."""
POWER_EPS = 1e-6
"""Added to powers relative to the level (-60 dB), so that silence is a number; logarithms are 0 there."""
QUICK_S, SLOW_S = 0.05, 0.25
FEATURES = BANDS + 3 * WIDE
FIRST, HIDDEN = 48, 64
HEADS = 2 * len(KINDS)
"""What is there now, as it is heard now, and what was there `LATER_S` ago, with what has been heard since."""
LATER_S = 0.5
HOP_S = STANDARD.hop_ms / 1000
LATER = int(LATER_S / HOP_S)


def triangles(count: int, low: float, high: float) -> np.ndarray:
    """Weights `[481, count]` of triangular bands, evenly spaced in log2(f + 200 Hz) as hearing is about; columns sum to 1."""
    scale = lambda hz: np.log2(hz + 200.0)  # noqa: E731
    edges = np.linspace(scale(low), scale(high), count + 2)
    at = scale(np.arange(BINS) * BIN_HZ)[:, None]
    up = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    w = np.clip(np.minimum(up, down), 0, None)
    nearest = np.abs(at - edges[1:-1]).argmin(0)
    w[nearest, np.arange(count)] += (w.sum(0) < 1e-6) * 1.0
    return (w / w.sum(0)).astype(np.float32)


def keep(seconds: float) -> float:
    """Share of a running mean kept from one frame to the next."""
    return float(np.exp(-HOP_S / seconds))


def level_weights() -> np.ndarray:
    """Weights `[481]` of the mean that gives the level; they sum to 1."""
    w = np.zeros(BINS, np.float32)
    w[2 : LEVEL_TOP_BIN + 1] = 1 / (LEVEL_TOP_BIN - 1)
    return w


def smoothed(x: np.ndarray, seconds: float) -> np.ndarray:
    """Running means of `x` `[B, T, F]` from zero, one value a frame."""
    k = keep(seconds)
    return lfilter([np.float32(1 - k)], [np.float32(1), np.float32(-k)], x, axis=1)


def features(power: np.ndarray) -> np.ndarray:
    """`[B, T, 76]` float32 of `power` `[B, T, 481]`; states start at zero."""
    wide, bands = triangles(WIDE, *WIDE_HZ), triangles(BANDS, *BAND_HZ)
    mean = np.sqrt(np.sqrt(power)) @ level_weights()
    state, relative = np.zeros((len(power), 2), np.float32), np.empty_like(mean)
    rate = np.float32(1 - keep(LEVEL_SECONDS))
    for t in range(power.shape[1]):
        active = rate * (mean[:, t] > LEVEL_FLOOR)
        state[:, 0] += active * (mean[:, t] - state[:, 0])
        state[:, 1] += active * (1 - state[:, 1])
        relative[:, t] = state[:, 1] / np.maximum(state[:, 0], rate * LEVEL_FLOOR)
    x = power * np.square(np.square(relative))[..., None] + np.float32(POWER_EPS)
    log = (np.log(x) - np.float32(np.log(POWER_EPS))).astype(np.float32)
    flux = np.abs(log - smoothed(log, QUICK_S))
    slow = smoothed(log, SLOW_S)
    bend = np.zeros_like(slow)
    bend[..., 1:-1] = np.abs(slow[..., 2:] - 2 * slow[..., 1:-1] + slow[..., :-2])
    peaked = np.log(x @ wide) - np.float32(np.log(POWER_EPS)) - log @ wide
    out = [np.log(x @ bands) - np.float32(np.log(POWER_EPS)), peaked, flux @ wide, bend @ wide]
    return np.concatenate(out, -1).astype(np.float32)


SCALE = np.repeat(np.float32([0.12, 0.7, 0.8, 1.0]), [BANDS, WIDE, WIDE, WIDE])
SHIFT = np.repeat(np.float32([-1.0, -0.7, -0.8, -0.6]), [BANDS, WIDE, WIDE, WIDE])
"""Features to about mean 0 and deviation 1."""


class Net(nn.Module):
    """Features `[B, T, 76]` to logits `[B, T, 6]`."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(FEATURES, FIRST)
        self.gru = nn.GRU(FIRST, HIDDEN, batch_first=True)
        self.last = nn.Linear(HIDDEN + FIRST, HEADS)
        self.register_buffer("scale", torch.from_numpy(SCALE), persistent=False)
        self.register_buffer("shift", torch.from_numpy(SHIFT), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(x * self.scale + self.shift))
        h, _ = self.gru(x)
        return self.last(torch.cat([h, x], -1))
