"""The network: 48 frequency steps of 32 channels, one frame a step, state explicit.

Steps 0..31 hold three bins each (0 to 4.8 kHz) and give complex masks; steps 32..47 hold two
bands each (32 triangular bands, log-spaced from 4.8 to 24 kHz) and give real gains.
A block is [a GRU over time, shared by the steps; an MLP over frequency, shared by the
channels; an MLP over channels], each added to its input, as in the band-sequence nets of
arXiv 2509.21867 in spirit. There is no normalisation layer: the input's level is taken out by
a running mean of |X|^0.5, which makes the whole net scale-equivariant.

`Net.forward` runs whole sequences for training; `export.py` writes the same sums as a graph
of one frame, and `tests` and the exporter's parity check hold the two together.
"""

import numpy as np
import torch
from torch import nn

from .frames import BINS, BIN_HZ, Mode
from .gru import gru_sequence

LOW_BINS = 96
STEP_BINS = 3
LOW_STEPS = LOW_BINS // STEP_BINS
BANDS = 32
STEP_BANDS = 2
HIGH_STEPS = BANDS // STEP_BANDS
STEPS = LOW_STEPS + HIGH_STEPS
CHANNELS = 32
FREQ_HIDDEN = 96
CHANNEL_HIDDEN = 64

LEVEL_SECONDS = 2.0
"""Time constant of the running level."""
LEVEL_TOP_HZ = 8000.0
"""The level is that of the bins below this."""
LEVEL_FLOOR = 1e-5
"""Frames whose mean |X|^0.5 is not above this (about 50 dB under 24-bit noise) do not count."""
ENERGY_EPS = 1e-8
"""Added to energies relative to the level squared (-80 dB)."""


def band_matrices() -> tuple[np.ndarray, np.ndarray]:
    """Bins above 4.8 kHz to bands and back: `[385, 32]` (columns sum to 1: band means of
    energy) and `[32, 385]` (columns sum to 1: interpolation of gains)."""
    high = BINS - LOW_BINS
    f = np.arange(LOW_BINS, BINS)
    centre = np.geomspace(LOW_BINS, BINS - 1, BANDS)
    expand = np.zeros((BANDS, high))
    for j, b in enumerate(f):
        i = int(np.clip(np.searchsorted(centre, b, side="right") - 1, 0, BANDS - 2))
        t = np.clip((b - centre[i]) / (centre[i + 1] - centre[i]), 0, 1)
        expand[i, j], expand[i + 1, j] = 1 - t, t
    merge = (expand / expand.sum(1, keepdims=True)).T
    return merge.astype(np.float32), expand.astype(np.float32)


def level_weights() -> np.ndarray:
    """Weights `[128]` (96 bins, 32 bands) of the mean that gives the level; they sum to 1."""
    w = np.zeros(LOW_BINS + BANDS)
    w[2:LOW_BINS] = 1
    merge, expand = band_matrices()
    centre = np.geomspace(LOW_BINS, BINS - 1, BANDS) * BIN_HZ
    w[LOW_BINS:] = expand.sum(1) * (centre <= LEVEL_TOP_HZ)
    return (w / w.sum()).astype(np.float32)


def level_keep(mode: Mode) -> float:
    """Share of the running level kept from one frame to the next."""
    return float(np.exp(-mode.hop_ms / 1000 / LEVEL_SECONDS))


class Net(nn.Module):
    """`blocks` blocks; parameters are named as the initialisers of the exported graph."""

    def __init__(self, blocks: int = 2):
        super().__init__()
        self.blocks = blocks

        def p(name, *shape, fan=None, gain=1.0):
            value = torch.zeros(*shape) if fan is None else torch.randn(*shape) * gain / fan**0.5
            self.register_parameter(name, nn.Parameter(value))

        c, f, ch = CHANNELS, FREQ_HIDDEN, CHANNEL_HIDDEN
        p("low_w", 3 * STEP_BINS, c, fan=3 * STEP_BINS)
        p("high_w", STEP_BANDS, c, fan=STEP_BANDS)
        p("step_b", STEPS, c, fan=4)
        for i in range(blocks):
            p(f"b{i}_wx", c, 3 * c, fan=c)
            p(f"b{i}_bx", 3 * c)
            p(f"b{i}_wh", c, 3 * c, fan=c)
            p(f"b{i}_bn", c)
            p(f"b{i}_f1", f, STEPS, fan=STEPS)
            p(f"b{i}_f1b", f, 1)
            p(f"b{i}_f2", STEPS, f, fan=f, gain=0.3)
            p(f"b{i}_f2b", STEPS, 1)
            p(f"b{i}_c1", c, ch, fan=c)
            p(f"b{i}_c1b", ch)
            p(f"b{i}_c2", ch, c, fan=ch, gain=0.3)
            p(f"b{i}_c2b", c)
        p("mask_w", c, 2 * STEP_BINS, fan=c, gain=0.1)
        p("mask_b", 2 * STEP_BINS)
        p("gain_w", c, STEP_BANDS, fan=c, gain=0.1)
        p("gain_b", STEP_BANDS)
        with torch.no_grad():
            self.mask_b[0::2] = 1.0
            self.gain_b += 1.0
            for i in range(blocks):
                # the update gate starts half-way to "keep", so that memory is found early
                getattr(self, f"b{i}_bx")[c : 2 * c] = 1.0
        merge, expand = band_matrices()
        self.register_buffer("merge", torch.from_numpy(merge), persistent=False)
        self.register_buffer("expand", torch.from_numpy(expand), persistent=False)
        self.register_buffer("level_w", torch.from_numpy(level_weights()), persistent=False)

    def grow(self) -> None:
        """Adds a block that changes nothing at first: its recurrent candidate and both
        second layers start at zero."""
        i, c = self.blocks, CHANNELS
        fresh = Net(i + 1)
        own = self.state_dict()
        for name, value in fresh.named_parameters():
            if name in own:
                value.data.copy_(own[name])
        with torch.no_grad():
            for name in (f"b{i}_f2", f"b{i}_c2"):
                getattr(fresh, name).zero_()
            getattr(fresh, f"b{i}_wx")[:, 2 * c :] = 0
            getattr(fresh, f"b{i}_wh")[:, 2 * c :] = 0
        self.__dict__.update(fresh.__dict__)

    def state_shapes(self) -> dict[str, list[int]]:
        """Names and shapes of the states, in the order of the graph's inputs."""
        return {"level": [1, 2]} | {f"h{i}": [STEPS, CHANNELS] for i in range(self.blocks)}

    @torch.no_grad()
    def features(self, spec: torch.Tensor, keep: float, level: torch.Tensor | None = None):
        """Features of `spec` `[B, T, 481, 2]`; `level` `[B, 2]` is the running level's state.

        Returns low `[32, B, T, 9]`, high `[16, B, T, 2]` and the level's last state `[B, 2]`.
        """
        b, t = spec.shape[:2]
        energy = spec.square().sum(-1)
        energy = torch.cat([energy[..., :LOW_BINS], energy[..., LOW_BINS:] @ self.merge], -1)
        p = energy.sqrt().sqrt() @ self.level_w
        active = (p > LEVEL_FLOOR).float()
        count = active.cumsum(1)
        lag = count[:, :, None] - count[:, None, :]
        past = torch.ones(t, t, device=p.device).tril() * active[:, None, :] * (1 - keep)
        past = past * torch.exp(np.log(keep) * lag.clamp(min=0))
        s, w = (past @ p[..., None])[..., 0], past.sum(-1)
        if level is not None:
            fade = torch.exp(np.log(keep) * count)
            s, w = s + fade * level[:, :1], w + fade * level[:, 1:]
        g = w / s.clamp(min=(1 - keep) * LEVEL_FLOOR)
        g2 = (g * g)[..., None]
        m = (energy * (g2 * g2) + ENERGY_EPS).sqrt().sqrt().sqrt()
        ml, mh = m[..., :LOW_BINS], m[..., LOW_BINS:]
        z = spec[:, :, :LOW_BINS] * (g2 / (ml * ml * ml))[..., None]
        low = torch.cat(
            [z.reshape(b, t, LOW_STEPS, 2 * STEP_BINS), ml.reshape(b, t, LOW_STEPS, STEP_BINS)], -1
        )
        high = mh.reshape(b, t, HIGH_STEPS, STEP_BANDS)
        last = torch.stack([s[:, -1], w[:, -1]], -1)
        return (low.permute(2, 0, 1, 3).contiguous(), high.permute(2, 0, 1, 3).contiguous(), last)

    def forward(self, spec: torch.Tensor, keep: float, state: dict | None = None, start: dict | None = None):
        """Mask of `spec` `[B, T, 481, 2]`: low part `[B, T, 96, 2]` and high gains
        `[B, T, 385]`; with `state` (as `state_shapes`, batch 1) also the next state.
        `start["level"]` `[B, 2]` is a level to begin with, the other states being zero."""
        b, t = spec.shape[:2]
        low, high, level = self.features(spec, keep, (state or start or {}).get("level"))
        x = torch.cat([low @ self.low_w, high @ self.high_w]) + self.step_b[:, None, None, :]
        following = {"level": level}
        for i in range(self.blocks):
            q = lambda n: getattr(self, f"b{i}_{n}")  # noqa: E731
            h0 = state[f"h{i}"].reshape(STEPS, CHANNELS) if state else None
            gx = torch.addmm(q("bx"), x.reshape(-1, CHANNELS), q("wx"))
            h = gru_sequence(gx.reshape(STEPS * b, t, 3 * CHANNELS), q("wh"), q("bn"), h0)
            following[f"h{i}"] = h[:, -1]
            x = x + h.reshape(x.shape)
            flat = x.reshape(STEPS, -1)
            u = torch.relu_(torch.addmm(q("f1b"), q("f1"), flat))
            x = (flat + torch.addmm(q("f2b"), q("f2"), u)).reshape(-1, CHANNELS)
            u = torch.relu_(torch.addmm(q("c1b"), x, q("c1")))
            x = (x + torch.addmm(q("c2b"), u, q("c2"))).reshape(STEPS, b, t, CHANNELS)
        mask = torch.tanh(x[:LOW_STEPS] @ self.mask_w + self.mask_b)
        mask = mask.permute(1, 2, 0, 3).reshape(b, t, LOW_BINS, 2)
        gain = torch.sigmoid(x[LOW_STEPS:] @ self.gain_w + self.gain_b)
        gain = gain.permute(1, 2, 0, 3).reshape(b, t, BANDS) @ self.expand
        return (mask, gain, following) if state is not None else (mask, gain)


def full_mask(mask: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
    """Both parts of a mask as one `[B, T, 481, 2]`."""
    return torch.cat([mask, torch.stack([gain, torch.zeros_like(gain)], -1)], 2)
