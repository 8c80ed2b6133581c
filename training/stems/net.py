"""The network: 40 bands of C channels, one frame a step, state explicit.

Bands 0..31 hold 4, 10 or 20 bins (0 to 6 kHz) and give complex stereo masks; bands 32..39 hold
four triangular bands each (6 to 24 kHz) and give real stereo gains. A layer is [RMS norm, a GRU
over time shared by the bands; an MLP over bands; an MLP over channels], each added to its
input, after the band-sequence nets (arXiv 2309.02612, 2511.13146) but without any recurrence
over bands. All else is as in `denoise/net.py`: the input's level is taken out by a running mean of
|X|^0.5, so the whole net is scale-equivariant.

`Net.forward` runs whole sequences; `export.py` writes the same sums as a graph of one frame.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..common.gru import gru_sequence
from .frames import BIN_HZ, BINS, Mode

STEMS = ("vocals", "drums", "bass", "other")
"""Order of stems everywhere; the last of a task is the mix less the rest."""
TASKS = {"stems": ("vocals", "drums", "bass"), "dialogue": ("voice",)}
"""What a task's net gives masks for."""

GROUPS = ((0, 20, 4), (80, 8, 10), (160, 4, 20))
"""First bin, bands, bins a band: 100 Hz to 2 kHz, 250 Hz to 4 kHz, 500 Hz to 6 kHz."""
LOW_BINS = 240
LOW_BANDS = 32
TRIANGLES = 32
TRIANGLES_A_BAND = 4
HIGH_BANDS = TRIANGLES // TRIANGLES_A_BAND
BANDS = LOW_BANDS + HIGH_BANDS
BIN_FEATURES = 7
TRIANGLE_FEATURES = 3
BAND_HIDDEN = 96
MASK_LIMIT = 2.0
"""Real and imaginary part of a mask stay within this; cancelling sources need more than 1."""
NORM_EPS = 1e-4
START_SHARE = 0.25
"""Real part of the masks of an untrained net: every stem a quarter of the mix."""

LEVEL_SECONDS = 4.0
LEVEL_TOP_HZ = 8000.0
LEVEL_FLOOR = 1e-5
"""As in `denoise/net.py`; music's level is followed more slowly than a voice's."""
ENERGY_EPS = 1e-8


@dataclass(frozen=True)
class Size:
    """Channels and layers."""

    channels: int = 64
    layers: int = 3

    @classmethod
    def parse(cls, text: str) -> "Size":
        """From "96x4"."""
        c, n = text.split("x")
        return cls(int(c), int(n))


def triangles() -> tuple[np.ndarray, np.ndarray]:
    """Bins above 6 kHz to triangular bands and back: `[721, 32]` (columns sum to 1) and
    `[32, 721]` (columns sum to 1)."""
    f = np.arange(LOW_BINS, BINS)
    centre = np.geomspace(LOW_BINS, BINS - 1, TRIANGLES)
    at = np.interp(f, centre, np.arange(TRIANGLES))
    expand = np.clip(1 - np.abs(at[None] - np.arange(TRIANGLES)[:, None]), 0, None)
    merge = (expand / expand.sum(1, keepdims=True)).T
    return merge.astype(np.float32), expand.astype(np.float32)


def level_weights() -> np.ndarray:
    """Weights `[272]` (240 bins, 32 triangles) of the mean that gives the level; they sum to 1."""
    w = np.zeros(LOW_BINS + TRIANGLES)
    w[1:LOW_BINS] = 1
    _, expand = triangles()
    centre = np.geomspace(LOW_BINS, BINS - 1, TRIANGLES) * BIN_HZ
    w[LOW_BINS:] = expand.sum(1) * (centre <= LEVEL_TOP_HZ)
    return (w / w.sum()).astype(np.float32)


def level_keep(mode: Mode) -> float:
    """Share of the running level kept from one frame to the next."""
    return float(np.exp(-mode.hop_ms / 1000 / LEVEL_SECONDS))


class Net(nn.Module):
    """Masks for `TASKS[task]`; parameters are named as the initialisers of the exported graph."""

    def __init__(self, task: str = "stems", size: Size = Size()):
        super().__init__()
        self.task, self.size, self.sources = task, size, len(TASKS[task])

        def p(name, *shape, fan=None, gain=1.0):
            value = torch.zeros(*shape) if fan is None else torch.randn(*shape) * gain / fan**0.5
            self.register_parameter(name, nn.Parameter(value))

        c, f = size.channels, BAND_HIDDEN
        for g, (_, _, width) in enumerate(GROUPS):
            p(f"in{g}_w", width * BIN_FEATURES, c, fan=width * BIN_FEATURES)
        p("in3_w", TRIANGLES_A_BAND * TRIANGLE_FEATURES, c, fan=TRIANGLES_A_BAND * TRIANGLE_FEATURES)
        p("step_b", BANDS, c, fan=4)
        branch = 0.5 / size.layers**0.5
        for i in range(size.layers):
            p(f"l{i}_wx", c, 3 * c, fan=c)
            p(f"l{i}_bx", 3 * c)
            p(f"l{i}_wh", c, 3 * c, fan=c)
            p(f"l{i}_bn", c)
            p(f"l{i}_f1", f, BANDS, fan=BANDS)
            p(f"l{i}_f1b", f, 1)
            p(f"l{i}_f2", BANDS, f, fan=f, gain=branch)
            p(f"l{i}_f2b", BANDS, 1)
            p(f"l{i}_c1", c, 2 * c, fan=c)
            p(f"l{i}_c1b", 2 * c)
            p(f"l{i}_c2", 2 * c, c, fan=2 * c, gain=branch)
            p(f"l{i}_c2b", c)
        per_bin = self.sources * 4
        for g, (_, count, width) in enumerate(GROUPS):
            p(f"out{g}_w", c, width * per_bin, fan=c, gain=0.1)
            p(f"out{g}_b", count, width * per_bin)
        p("out3_w", c, TRIANGLES_A_BAND * self.sources * 2, fan=c, gain=0.1)
        p("out3_b", HIGH_BANDS, TRIANGLES_A_BAND * self.sources * 2)
        with torch.no_grad():
            for g in range(len(GROUPS)):
                getattr(self, f"out{g}_b")[:, 0::2] = float(np.arctanh(START_SHARE / MASK_LIMIT))
            self.out3_b += float(np.log(START_SHARE / (1 - START_SHARE)))
            for i in range(size.layers):
                # the update gate starts half-way to "keep", so that memory is found early
                getattr(self, f"l{i}_bx")[c : 2 * c] = 1.0
        merge, expand = triangles()
        self.register_buffer("merge", torch.from_numpy(merge), persistent=False)
        self.register_buffer("expand", torch.from_numpy(expand), persistent=False)
        self.register_buffer("level_w", torch.from_numpy(level_weights()), persistent=False)

    def state_shapes(self) -> dict[str, list[int]]:
        """Names and shapes of the states, in the order of the graph's inputs."""
        c = self.size.channels
        return {"level": [1, 2]} | {f"h{i}": [BANDS, c] for i in range(self.size.layers)}

    @torch.no_grad()
    def features(self, spec: torch.Tensor, keep: float, level: torch.Tensor | None = None):
        """Features of `spec` `[B, 2, T, 961]` complex; `level` `[B, 2]` is the running level's state.

        Returns per-bin features `[B, T, 240, 7]`, triangles' features `[B, T, 32, 3]` and the
        level's last state `[B, 2]`. Of a bin with spectra L, R and energy e = |L|^2 + |R|^2
        relative to the level these are L / e^(3/8), R / e^(3/8) (two numbers each), e^(1/8),
        e^(1/8) (|L|^2 - |R|^2) / e (place between the loudspeakers) and the 1/8th power of
        |L - R|^2 / 2 (what is not in the middle). Triangles have the last three, of mean energies.
        """
        left, right = spec[:, 0], spec[:, 1]
        each = torch.stack([left.real.square() + left.imag.square(), right.real.square() + right.imag.square(),
                            left.real * right.real + left.imag * right.imag], 1)
        low, high = each[..., :LOW_BINS], each[..., LOW_BINS:] @ self.merge
        each = torch.cat([low, high], -1)
        el, er, cross = each.unbind(1)
        energy = el + er
        p = energy.sqrt().sqrt() @ self.level_w
        active = (p > LEVEL_FLOOR).float()
        count = active.cumsum(1)
        t = p.shape[1]
        lag = (count[:, :, None] - count[:, None, :]).clamp(min=0)
        past = torch.ones(t, t, device=p.device).tril() * active[:, None, :] * (1 - keep)
        past = past * torch.exp(float(np.log(keep)) * lag)
        s, w = (past @ p[..., None])[..., 0], past.sum(-1)
        if level is not None:
            fade = torch.exp(float(np.log(keep)) * count)
            s, w = s + fade * level[:, :1], w + fade * level[:, 1:]
        g = w / s.clamp(min=(1 - keep) * LEVEL_FLOOR)
        g2 = (g * g)[..., None]
        g4 = g2 * g2
        e = energy * g4 + ENERGY_EPS
        m = e.sqrt().sqrt().sqrt()
        place = m * (el - er) * g4 / e
        side = ((0.5 * energy - cross).clamp(min=0) * g4 + ENERGY_EPS).sqrt().sqrt().sqrt()
        scale = (g2 / (m * m * m))[..., :LOW_BINS]
        k = LOW_BINS
        bins = torch.stack([left.real[..., :k] * scale, left.imag[..., :k] * scale,
                            right.real[..., :k] * scale, right.imag[..., :k] * scale,
                            m[..., :k], place[..., :k], side[..., :k]], -1)
        tri = torch.stack([m[..., k:], place[..., k:], side[..., k:]], -1)
        return bins, tri, torch.stack([s[:, -1], w[:, -1]], -1)

    def gru(self, i: int, x: torch.Tensor, h0: torch.Tensor) -> torch.Tensor:
        """Layer i's GRU over `x` `[rows, T, C]` from `h0` `[rows, C]`."""
        q = lambda n: getattr(self, f"l{i}_{n}")  # noqa: E731
        if not x.is_cuda:
            return gru_sequence(x @ q("wx") + q("bx"), q("wh"), q("bn"), h0)
        zeros = torch.zeros_like(q("bn"))
        bh = torch.cat([zeros, zeros, q("bn")])
        weights = [q("wx").t().contiguous(), q("wh").t().contiguous(), q("bx"), bh]
        return torch._VF.gru(x, h0[None], weights, True, 1, 0.0, self.training, False, True)[0]

    def forward(self, spec: torch.Tensor, keep: float, state: dict | None = None, start: torch.Tensor | None = None):
        """Masks of `spec` `[B, 2, T, 961]` complex: low part `[B, S, 2, T, 240]` complex and
        high gains `[B, S, 2, T, 721]`; with `state` (as `state_shapes`, batch 1) also the next
        state. `start` `[B, 2]` is a level to begin with, the other states being zero."""
        b, t, c = spec.shape[0], spec.shape[2], self.size.channels
        with torch.autocast(spec.device.type, enabled=False):
            bins, tri, level = self.features(spec, keep, state["level"] if state else start)
        parts = []
        for g, (first, count, width) in enumerate(GROUPS):
            z = bins[:, :, first : first + count * width].reshape(b, t, count, width * BIN_FEATURES)
            parts.append(z.permute(2, 0, 1, 3) @ getattr(self, f"in{g}_w"))
        z = tri.reshape(b, t, HIGH_BANDS, -1).permute(2, 0, 1, 3)
        x = torch.cat(parts + [z @ self.in3_w]) + self.step_b[:, None, None, :]
        following = {"level": level}
        for i in range(self.size.layers):
            q = lambda n: getattr(self, f"l{i}_{n}")  # noqa: B023, E731
            n = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + NORM_EPS)
            h0 = state[f"h{i}"] if state else x.new_zeros(BANDS * b, c)
            h = self.gru(i, n.reshape(BANDS * b, t, c), h0)
            following[f"h{i}"] = h[:, -1]
            x = x + h.reshape(x.shape)
            flat = x.reshape(BANDS, -1)
            u = torch.relu(torch.addmm(q("f1b"), q("f1"), flat))
            x = (flat + torch.addmm(q("f2b"), q("f2"), u)).reshape(-1, c)
            u = torch.relu(torch.addmm(q("c1b"), x, q("c1")))
            x = (x + torch.addmm(q("c2b"), u, q("c2"))).reshape(BANDS, b, t, c)
        masks, at = [], 0
        for g, (_, count, width) in enumerate(GROUPS):
            v = x[at : at + count] @ getattr(self, f"out{g}_w") + getattr(self, f"out{g}_b")[:, None, None, :]
            v = v.reshape(count, b, t, width, self.sources, 2, 2).permute(1, 4, 5, 2, 0, 3, 6)
            masks.append(v.reshape(b, self.sources, 2, t, count * width, 2))
            at += count
        low = MASK_LIMIT * torch.tanh(torch.cat(masks, 4).float())
        v = x[at:] @ self.out3_w + self.out3_b[:, None, None, :]
        v = v.reshape(HIGH_BANDS, b, t, TRIANGLES_A_BAND, self.sources, 2).permute(1, 4, 5, 2, 0, 3)
        high = torch.sigmoid(v.reshape(b, self.sources, 2, t, TRIANGLES).float()) @ self.expand
        out = torch.view_as_complex(low.contiguous()), high
        return (*out, following) if state is not None else out


def full_mask(low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Both parts as one `[B, S, 2, T, 961]` complex."""
    return torch.cat([low, high.to(low.dtype)], -1)


def apply(low: torch.Tensor, high: torch.Tensor, spec: torch.Tensor) -> torch.Tensor:
    """Spectra of all stems `[B, S + 1, 2, T, 961]` of `spec` `[B, 2, T, 961]`: masked ones, then
    what is left of the mix."""
    x = spec[:, None]
    stems = torch.cat([x[..., :LOW_BINS] * low, x[..., LOW_BINS:] * high], -1)
    return torch.cat([stems, x - stems.sum(1, keepdim=True)], 1)
