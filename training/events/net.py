"""The network: bands, roughness and steadiness of a power spectrum, one GRU, three probabilities, twice.

Speech is told from music by how its bands move, how tonal they are and whether the tones stay: so each frame
has 40 log bands, how far they are from their mean of the last second and how far they usually are (modulation; speech
moves at syllables' pace: Scheirer and Slaney, ICASSP 1997), and in 12 wider bands how peaked the spectrum is now, how far
it is from that of the last 50 ms (flux), and how much structure the spectrum of the last 250 ms keeps (tones that
stay sharpen it, speech and noise blur it). A running mean of the level makes all of it independent of the input's gain.

A second, late answer looks at the first ones of the last half second, a delay line in the state, and at the GRU.

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
QUICK_S, SLOW_S, USUAL_S = 0.05, 0.25, 1.0
FEATURES = 3 * BANDS + 3 * WIDE
FIRST, HIDDEN, SETTLING = 48, 64, 24
DROPOUT = 0.35
"""Share of values left out in training, else the songs' spectra are learned by heart."""
LATER_S = 0.5
"""The late answer is about the frame that was so long ago."""
HOP_S = STANDARD.hop_ms / 1000
LATER = round(LATER_S / HOP_S)
LAGS = tuple(range(0, LATER + 1, 5))
"""Frames ago of the answers that the late one looks at."""


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
    level = (np.log(x @ bands) - np.float32(np.log(POWER_EPS))).astype(np.float32)
    apart = level - smoothed(level, USUAL_S)
    out = [level, apart, smoothed(np.abs(apart), USUAL_S), peaked, flux @ wide, bend @ wide]
    return np.concatenate(out, -1).astype(np.float32)


PARTS = [BANDS] * 3 + [WIDE] * 3
SCALE = np.repeat(np.float32([0.12, 0.4, 0.7, 0.7, 0.8, 1.0]), PARTS)
SHIFT = np.repeat(np.float32([-1.0, 0.0, -0.7, -0.7, -0.8, -0.6]), PARTS)
"""Features to about mean 0 and deviation 1."""


class Net(nn.Module):
    """Features `[B, T, 156]` to logits `[B, T, 6]`: three now, three late."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(FEATURES, FIRST)
        self.gru = nn.GRU(FIRST, HIDDEN, batch_first=True)
        self.last = nn.Linear(HIDDEN + FIRST, len(KINDS))
        self.settle = nn.Linear(HIDDEN + len(LAGS) * len(KINDS), SETTLING)
        self.settled = nn.Linear(SETTLING, len(KINDS))
        self.register_buffer("scale", torch.from_numpy(SCALE), persistent=False)
        self.register_buffer("shift", torch.from_numpy(SHIFT), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        drop = lambda v: nn.functional.dropout(v, DROPOUT, self.training)  # noqa: E731
        x = drop(torch.relu(self.first(x * self.scale + self.shift)))
        h = drop(self.gru(x)[0])
        now = self.last(torch.cat([h, x], -1))
        said = nn.functional.pad(torch.sigmoid(now), (0, 0, LATER, 0))
        t = now.shape[1]
        past = [said[:, LATER - lag : LATER - lag + t] for lag in LAGS]
        late = self.settled(torch.relu(self.settle(torch.cat([h, *past], -1))))
        return torch.cat([now, late], -1)
