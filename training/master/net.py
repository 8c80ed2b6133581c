"""The network: what a song is like in, the way back and its standard deviations out."""

import numpy as np
import torch
from torch import nn

from .features import MOVES

HIDDEN = 64
"""Units of each layer of a member."""
MEMBERS = 2
"""Networks side by side whose answers are averaged."""
CLIP = 5.0
"""Features are clipped at so many standard deviations."""
LOG_LEAST, LOG_MOST = float(np.log(0.05)), float(np.log(5.0))
"""Bounds of the logarithm of a deviation, in units of the prior."""
SPREAD_LEAST, SPREAD_MOST = 0.05, 20.0
"""Standard deviations are told within these bounds, dB."""


class Member(nn.Module):
    """A line and two layers beside it, for means and logarithms of deviations."""

    def __init__(self, inputs: int, outputs: int, hidden: int = HIDDEN, drop: float = 0.2):
        super().__init__()
        self.drop_in, self.drop = nn.Dropout(0.5 * drop), nn.Dropout(drop)
        self.one, self.two = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 2 * outputs)
        nn.init.zeros_(self.out.bias)

    def forward(self, x):
        h = torch.relu(self.one(self.drop_in(x)))
        h = self.drop(h)
        h = h + torch.relu(self.two(h))
        return self.out(self.drop(h))


class Net(nn.Module):
    """`[rows, N]` raw features to means and logarithms of standard deviations `[rows, 37]`, in units of the priors."""

    def __init__(self, size: int, seen: np.ndarray, hidden: int = HIDDEN, members: int = MEMBERS, drop: float = 0.2):
        super().__init__()
        self.size, self.hidden = size, hidden
        count = len(seen)
        self.register_buffer("seen", torch.as_tensor(np.asarray(seen), dtype=torch.long))
        self.register_buffer("centre", torch.zeros(count))
        self.register_buffer("scale", torch.ones(count))
        self.register_buffer("prior", torch.ones(len(MOVES)))
        self.members = nn.ModuleList(Member(count, len(MOVES), hidden, drop) for _ in range(members))

    def fit(self, features: np.ndarray, moves: np.ndarray, known: np.ndarray) -> None:
        """Sets centres and scales by examples."""
        seen = features[:, self.seen.numpy()]
        low, middle, high = np.quantile(seen, [0.1587, 0.5, 0.8413], axis=0)
        self.centre[:] = torch.as_tensor(middle)
        self.scale[:] = torch.as_tensor(np.maximum(0.5 * (high - low), 0.1))
        deviation = [np.sqrt(np.mean(np.square(m[k]))) if k.any() else 0.0 for m, k in zip(moves.T, known.T)]
        self.prior[:] = torch.as_tensor(np.maximum(deviation, 0.1))

    def normal(self, x):
        return torch.clamp((x[:, self.seen] - self.centre) / self.scale, -CLIP, CLIP)

    def parts(self, x):
        """Mean and logarithm of the deviation of every member, `[members, rows, 37]`, in units of the priors."""
        x = self.normal(x)
        out = torch.stack([m(x) for m in self.members])
        mean, log = out.chunk(2, -1)
        return mean, torch.clamp(log, LOG_LEAST, LOG_MOST)

    def forward(self, x):
        """Moves and standard deviations in dB."""
        mean, log = self.parts(x)
        moves = mean.mean(0)
        spread = torch.exp(log).mean(0)
        return moves * self.prior, torch.clamp(spread * self.prior, SPREAD_LEAST, SPREAD_MOST)
