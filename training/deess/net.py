"""The network: band powers in, classes of sound and excess by band out, one step per 5 ms.

The level is taken out by a running mean of e^(1/4), e being the mean band power below 8 kHz, so
that the whole net does not depend on it. What is long-term stands in explicit states: running
means of the log spectrum over voiced frames (2 s and 20 s) and over friction frames (6 s), each
weighted by a gate that only depends on the frame's own spectrum, each corrected for its start
(the weight is a state too). A dense layer sees the frame, the two before it and those means;
two recurrent cells of 32 units with a layer between them follow; the head of the classes sees both.

Natural sibilants stand in a narrow relation to the talker's other sounds, t, k and f foremost:
the microphone's tilt moves all of them, a boost of the sibilants only these, and its edges are
steeper than those of speech. Both are only seen in means of many frames. So the probabilities
of the classes weight a memory of five spectra (`MEMORY`), and the head of the excess sees that
memory, the frame and the cells. No gradient goes through the weights.

`features` is plain arithmetic that the engine does itself; the exported graph begins behind it.
`Net.forward` runs whole sequences for training; `export.py` writes the same sums as a graph of
one step, and the exporter's parity check holds the two together.
"""

import numpy as np
import torch
from torch import nn

from ..common.gru import gru_sequence
from ..common.leaky import leaky
from .bands import BANDS, CLASSES, HOP_MS, MODES, REDUCTION_BANDS, REDUCTION_HIGH_HZ, REDUCTION_LOW_HZ, centres

HIDDEN = 32
DENSE = 48
HEAD = 24
BETWEEN = 40
BALANCE = (40, 32)
"""Units of the two layers behind the memory."""
PAST = 2
"""Frames before the present one that the dense layer sees."""

LEVEL_SECONDS = 2.0
"""Time constant of the running level."""
LEVEL_TOP_HZ = 8000.0
"""The level is that of the bands up to this."""
LEVEL_FLOOR = 3e-5
"""Frames whose e^(1/4) is not above this (-181 dB) are digital silence and do not count."""
POWER_EPS = 1e-9
"""Added to powers relative to the level (-90 dB)."""
LOG_SCALE = 0.25
"""Brings natural logarithms of powers to features of order 1."""

VOICED_SECONDS, SLOW_SECONDS, FRICTION_SECONDS = 2.0, 20.0, 6.0
"""Time constants of the three running spectra, counted in frames of that kind."""
VOICED_HZ = (150.0, 3000.0)
FRICTION_HZ = (3500.0, 14_000.0)
VOICED_OVER = 4.0
"""A frame is wholly friction-free for the voiced means if its low part is well over this times its high part."""
FRICTION_GAIN = 10.0
"""Friction counts fully from the level divided by this."""
MEANS = 3
WEIGHT_LEAST = 1e-9

MEMORY = ((0.06, ("s", "sh", "f")), (1.2, ("s",)), (1.2, ("sh",)), (0.8, ("plosive",)), (0.8, ("f", "breath")))
"""Spectra that the memory holds: time constant in seconds, counted in frames of these classes, and the classes."""
MEMORY_FROM = 18
"""The lowest band of the memory (1.15 kHz)."""
MEMORY_BANDS = BANDS - MEMORY_FROM
MEMORY_LEAST = 0.05
"""A spectrum counts less under this weight."""
LACKING = (0.0, 0.0, 0.25, 0.25, 0.25)
"""How often each spectrum is kept from a segment in training: some talkers have no sh, some passages no t."""
EDGE_GAIN = 2.0
"""Of the differences of neighbouring bands in training."""

EXCESS_UNIT = 6.0
"""dB per unit of the excess head."""
WIDTH_MOST = 2.0
"""Octaves."""
OUTPUTS = len(CLASSES) + 1 + 2 + REDUCTION_BANDS
FEATURES = BANDS * (1 + PAST + MEANS) + MEANS + len(MODES)


def keep(seconds: float) -> float:
    """Share of a running mean kept from one step to the next."""
    return float(np.exp(-HOP_MS / 1000 / seconds))


def level_weights() -> np.ndarray:
    """Weights `[40]` of the mean that gives e: by the bands' distance in Hz, up to 8 kHz."""
    c = centres()
    w = np.gradient(c) * (c <= LEVEL_TOP_HZ)
    return (w / w.sum()).astype(np.float32)


def gate_weights() -> np.ndarray:
    """`[40, 2]`: mean power of the low and of the high part."""
    c = centres()
    low = np.gradient(c) * ((c >= VOICED_HZ[0]) & (c <= VOICED_HZ[1]))
    high = np.gradient(c) * ((c >= FRICTION_HZ[0]) & (c <= FRICTION_HZ[1]))
    return np.stack([low / low.sum(), high / high.sum()], 1).astype(np.float32)


def gate_mixer() -> np.ndarray:
    """`[2, 2]`: (low, high) times this gives the gates' denominators."""
    return np.array([[1, 1], [VOICED_OVER, 1]], np.float32)


def rates() -> np.ndarray:
    """`[3, 2]`: gates (voiced, friction) times this, transposed, gives the means' rates."""
    r = [1 - keep(s) for s in (VOICED_SECONDS, SLOW_SECONDS, FRICTION_SECONDS)]
    return np.array([[r[0], 0], [r[1], 0], [0, r[2]]], np.float32)


def memory_rates() -> np.ndarray:
    """`[6, 5]`: probabilities of the classes times this give the memory's rates."""
    r = np.zeros((len(CLASSES), len(MEMORY)), np.float32)
    for k, (seconds, names) in enumerate(MEMORY):
        for name in names:
            r[CLASSES.index(name), k] = 1 - keep(seconds)
    return r


def edges() -> np.ndarray:
    """Differences `[126, 169]` of neighbouring bands, of what the head of the excess sees. A boost is a step in a spectrum,
    and gradients find it much sooner in differences; the weights are the same sums (`Net.balance`)."""
    spectra = [HIDDEN, *(HIDDEN + MEMORY_BANDS + k * (MEMORY_BANDS + 1) for k in range(len(MEMORY)))]
    out = np.zeros((len(spectra) * (MEMORY_BANDS - 1), HIDDEN + MEMORY_BANDS + len(MEMORY) * (MEMORY_BANDS + 1)), np.float32)
    for row, at in enumerate(start + band for start in spectra for band in range(MEMORY_BANDS - 1)):
        out[row, at], out[row, at + 1] = -EDGE_GAIN, EDGE_GAIN
    return out


def remember(classes: np.ndarray, x: np.ndarray, state: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """What the memory tells, `[B, T, 5 * 23]`, of probabilities `[B, T, 6]` and the frame's scaled logarithms `[B, T, 40]`;
    and its last state `[B, 5, 23]`, whose last column are the weights. Behind each spectrum stands how well it is founded, 0 to 1."""
    b, t = x.shape[:2]
    state = np.zeros((b, len(MEMORY), MEMORY_BANDS + 1), np.float32) if state is None else state.copy()
    aim = np.concatenate([x[..., MEMORY_FROM:], np.ones((b, t, 1), np.float32)], -1)
    all_ = leaky(classes @ memory_rates(), aim, state)
    return (all_ / np.maximum(all_[..., MEMORY_BANDS:], np.float32(MEMORY_LEAST))).reshape(b, t, -1), state


def features(power: np.ndarray, mode: np.ndarray, state: dict | None = None):
    """Features `[B, T, FEATURES]` of band powers `[B, T, 40]` and modes `[B, 3]` (NumPy, f32),
    and the last states `level` `[B, 2]`, `past` `[B, 80]`, `mean` `[B, 3, 41]`."""
    b, t = power.shape[:2]
    state = state or {}
    level = state.get("level", np.zeros((b, 2), np.float32)).copy()
    mean = state.get("mean", np.zeros((b, MEANS, BANDS + 1), np.float32)).copy()
    past = state.get("past", np.zeros((b, PAST * BANDS), np.float32))
    p = np.sqrt(np.sqrt(power @ level_weights()))
    rate = (p > LEVEL_FLOOR)[..., None] * np.float32(1 - keep(LEVEL_SECONDS))
    level = np.ascontiguousarray(level[:, None])
    levels = leaky(rate, np.stack([p, np.ones_like(p)], -1), level)[:, :, 0]
    inverse = levels[..., 1] / np.maximum(levels[..., 0], np.float32((1 - keep(LEVEL_SECONDS)) * LEVEL_FLOOR))
    inverse *= inverse
    relative = power * (inverse * inverse)[..., None] + np.float32(POWER_EPS)
    x = np.log(relative) * np.float32(LOG_SCALE)
    parts = relative @ gate_weights()
    full = np.minimum(parts * np.array([1, FRICTION_GAIN], np.float32), 1)
    gates = full * parts / (parts @ gate_mixer())
    means = leaky(gates @ rates().T, np.concatenate([x, np.ones((b, t, 1), np.float32)], -1), mean)
    weights = means[..., BANDS]
    spectra = means[..., :BANDS] / np.maximum(weights, WEIGHT_LEAST)[..., None]
    old = past.reshape(b, PAST, BANDS)
    run = np.concatenate([old[:, ::-1], x], 1)
    before = [run[:, PAST - 1 - k : PAST - 1 - k + t] for k in range(PAST)]
    out = np.concatenate([x, *before, spectra.reshape(b, t, -1), weights,
                          np.broadcast_to(mode[:, None], (b, t, len(MODES)))], -1)
    last = {"level": level[:, 0], "mean": mean, "past": run[:, -1 : -1 - PAST : -1].reshape(b, -1)}
    return out.astype(np.float32), last


N = len(CLASSES)


class Net(nn.Module):
    """Parameters are named as the initialisers of the exported graph."""

    def __init__(self):
        super().__init__()

        def p(name, *shape, fan=None, gain=1.0):
            value = torch.zeros(*shape) if fan is None else torch.randn(*shape) * gain / fan**0.5
            self.register_parameter(name, nn.Parameter(value))

        p("in_w", FEATURES, DENSE, fan=FEATURES, gain=0.7)
        p("in_b", DENSE)
        p("low_w", DENSE, HIDDEN, fan=DENSE)
        p("low_b", HIDDEN)
        for i in range(2):
            p(f"g{i}_wx", HIDDEN, 3 * HIDDEN, fan=HIDDEN)
            p(f"g{i}_bx", 3 * HIDDEN)
            p(f"g{i}_wh", HIDDEN, 3 * HIDDEN, fan=HIDDEN)
            p(f"g{i}_bn", HIDDEN)
        p("mid1_w", HIDDEN, BETWEEN, fan=HIDDEN)
        p("mid1_b", BETWEEN)
        p("mid2_w", BETWEEN, HIDDEN, fan=BETWEEN, gain=0.3)
        p("mid2_b", HIDDEN)
        p("head_w", HIDDEN + DENSE, HEAD, fan=HIDDEN + DENSE)
        p("head_b", HEAD)
        p("class_w", HEAD, N, fan=HEAD, gain=0.5)
        p("class_b", N)
        seen = HIDDEN + MEMORY_BANDS + len(MEMORY) * (MEMORY_BANDS + 1)
        p("balance1_w", seen, BALANCE[0], fan=seen)
        p("balance1_b", BALANCE[0])
        p("edge_w", len(edges()), BALANCE[0])
        self.register_buffer("edges", torch.from_numpy(edges()), persistent=False)
        p("balance2_w", BALANCE[0], BALANCE[1], fan=BALANCE[0], gain=1.4)
        p("balance2_b", BALANCE[1])
        p("out_w", BALANCE[1], OUTPUTS - N, fan=BALANCE[1], gain=0.5)
        p("out_b", OUTPUTS - N)
        with torch.no_grad():
            # silence first; the update gates start half-way to "keep", so that memory is found early
            self.class_b[0] = 1.0
            for i in range(2):
                getattr(self, f"g{i}_bx")[HIDDEN : 2 * HIDDEN] = 1.0

    def trunk(self, x: torch.Tensor, h: list | None = None, goes_on: bool = False, lack: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor, list]:
        """Logits of the classes `[B, T, 6]`, what the head of the excess sees `[B, T, 169]`, and the last states of the
        cells and of the memory, of features `[B, T, FEATURES]`. `goes_on` begins with the memory that the second half
        of the sequence leaves; `lack` `[B, 5]` is 0 for what the memory shall not have met."""
        t = x.shape[1]
        u = torch.relu(x @ self.in_w + self.in_b)
        y, last = u @ self.low_w + self.low_b, []
        for i in range(2):
            q = lambda n: getattr(self, f"g{i}_{n}")  # noqa: B023, E731
            g = gru_sequence(y @ q("wx") + q("bx"), q("wh"), q("bn"), h[i] if h else None)
            last.append(g[:, -1])
            y = y + g
            if i == 0:
                y = y + torch.relu(y @ self.mid1_w + self.mid1_b) @ self.mid2_w + self.mid2_b
        classes = torch.relu(torch.cat([y, u], -1) @ self.head_w + self.head_b) @ self.class_w + self.class_b
        p = torch.softmax(classes.detach(), -1).numpy()
        now = x[..., :BANDS].detach().numpy()
        memory = h[2] if h else None
        if goes_on:
            memory = remember(p[:, t // 2 :], now[:, t // 2 :])[1]
        seen, memory = remember(p, now, memory)
        seen = torch.from_numpy(seen)
        if lack is not None:
            seen = seen * lack.repeat_interleave(MEMORY_BANDS + 1, -1)[:, None]
        return classes, torch.cat([y, x[..., MEMORY_FROM:BANDS], seen], -1), [*last, memory]

    def balance(self) -> torch.Tensor:
        """Weights `[169, 40]` of the layer that sees the memory, the edges' folded in."""
        return self.balance1_w + self.edges.T @ self.edge_w

    def head(self, seen: torch.Tensor) -> torch.Tensor:
        """Whistle, centre, width and excess before its rectifier `[..., 15]`."""
        z = torch.relu(seen @ self.balance() + self.balance1_b)
        return torch.relu(z @ self.balance2_w + self.balance2_b) @ self.out_w + self.out_b

    def forward(self, x: torch.Tensor, h: list | None = None, goes_on: bool = False,
                lack: torch.Tensor | None = None) -> tuple[torch.Tensor, list]:
        """Raw outputs `[B, T, OUTPUTS]`: logits of the classes and what `head` gives; and the last states. See `trunk`."""
        classes, seen, last = self.trunk(x, h, goes_on, lack)
        return torch.cat([classes, self.head(seen)], -1), last


def count(net: Net) -> int:
    """Parameters of the exported graph."""
    return sum(p.numel() for name, p in net.named_parameters() if name != "edge_w")


def readable(raw: torch.Tensor) -> dict[str, torch.Tensor]:
    """The graph's outputs of raw ones `[..., OUTPUTS]`."""
    s = torch.sigmoid(raw[..., N : N + 3])
    span = np.log(REDUCTION_HIGH_HZ / REDUCTION_LOW_HZ)
    return {"classes": torch.softmax(raw[..., :N], -1), "whistle": s[..., :1],
            "excess": EXCESS_UNIT * torch.relu(raw[..., N + 3 :]),
            "centre": torch.exp(s[..., 1:2] * span + np.log(REDUCTION_LOW_HZ)), "width": WIDTH_MOST * s[..., 2:3]}


@torch.no_grad()
def run(net: Net, power: np.ndarray, mode: np.ndarray, state: dict | None = None) -> tuple[dict, dict]:
    """Outputs `[T, ...]` (NumPy) of band powers `[T, 40]` and mode `[3]`, and the states to go on with."""
    x, last = features(power[None].astype(np.float32), mode[None].astype(np.float32), state)
    raw, h = net(torch.from_numpy(x), state["h"] if state else None)
    return {k: v[0].numpy() for k, v in readable(raw).items()}, last | {"h": h}
