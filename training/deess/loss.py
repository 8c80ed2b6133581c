"""The loss: classes, excess, and what a wrong reduction does to the sound.

Excess is scored by its absolute error in dB, so that the answer is the median of what is
likely, and a talker that is as likely natural as not is left alone. Its rectifier has no
gradient below zero, so the error is taken before it where the target is above zero. The
reduction that the engine makes of classes and excess (`weight`) is scored as well: it is what
is heard, and it must be nothing outside of sibilants.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as fn

from .bands import REDUCTION_LOW_HZ
from .labels import BREATH, F, NONE, PLOSIVE, S, SH, UNSURE
from .net import EXCESS_UNIT, N, WIDTH_MOST

PRESENCE_FROM, PRESENCE_OVER = 0.2, 0.6
"""A sound is there in part from this probability, and wholly this much above."""
BURST_FROM, BURST_TO = 0.35, 0.5
"""A burst is spared from the first of these probabilities on, wholly from the second."""
DEFAULT_WEIGHTS = {S: 1.0, SH: 1.0, F: 0.25, BREATH: 0.0}


@dataclass(frozen=True)
class Weights:
    """Shares of the terms."""

    classes: float = 1.0
    rare: float = 2.5
    excess: float = 0.35
    idle: float = 0.05
    heard: float = 0.35
    damage: float = 1.2
    whistle: float = 0.15
    place: float = 0.1


def weight(p: torch.Tensor, user: dict = DEFAULT_WEIGHTS) -> torch.Tensor:
    """The share `[..., 1]` of the excess that the engine takes, of class probabilities `[..., 6]`:
    zero until friction that may be reduced is likelier than `PRESENCE_FROM`, and where a burst is likeliest."""
    total = p[..., S] + p[..., SH] + p[..., F] + p[..., BREATH]
    chosen = sum(w * p[..., k] for k, w in user.items())
    presence = ((total - PRESENCE_FROM) / PRESENCE_OVER).clamp(0, 1)
    burst = ((p[..., PLOSIVE] - BURST_FROM) / (BURST_TO - BURST_FROM)).clamp(0, 1)
    spared = burst * burst * (3 - 2 * burst)
    return (presence * (1 - spared) * chosen / total.clamp(min=1e-6))[..., None]


def loss_terms(raw: torch.Tensor, batch: dict, weights: Weights = Weights()) -> dict[str, torch.Tensor]:
    """Terms of the loss of raw outputs `[B, T, OUTPUTS]` on a mixer's batch (tensors)."""
    w = weights
    c, sure = batch["classes"].long(), batch["sure"]
    known = (c != UNSURE).float()
    sibilant = ((c == S) | (c == SH)).float()
    cost = fn.cross_entropy(raw[..., :N].flatten(0, 1), torch.where(c == UNSURE, 0, c).flatten(), reduction="none").view_as(sure)
    emphasis = known * (1 + w.rare * sibilant + (c == PLOSIVE).float()) * sure
    terms = {"classes": w.classes * (cost * emphasis).mean()}

    target, share = batch["target"], batch["weight"]
    a = EXCESS_UNIT * raw[..., N + 3 :]
    friction = ((c == S) | (c == SH) | (c == F) | (c == BREATH)).float() * known
    # a band counts by its part of what is heard, and a little in any case
    part = (12 * share).clamp(max=3) * 0.85 + 0.15
    error = torch.where(target > 0, (a - target).abs(), torch.relu(a)) * part
    terms["excess"] = w.excess * (error.mean(-1) * friction * (0.3 + 0.7 * sibilant)).sum() / (friction.sum() + 200)
    terms["idle"] = w.idle * (torch.relu(a).mean(-1) * (c == NONE)).mean()

    p = torch.softmax(raw[..., :N], -1)
    r = weight(p) * torch.relu(a)
    wanted = target * torch.where((c == F) | (c == BREATH) | (c == PLOSIVE), 0.0, 1.0)[..., None]
    miss = (r - wanted).abs()
    terms["heard"] = w.heard * ((miss * part).mean(-1) * sibilant).sum() / (sibilant.sum() + 200)
    other = known * (1 - sibilant) * torch.where(c == F, 0.3, 1.0)
    terms["damage"] = w.damage * (((r - wanted).relu() * part).mean(-1) * other).mean()

    whistle = batch["whistle"].float()
    cost = fn.binary_cross_entropy_with_logits(raw[..., N], whistle, reduction="none")
    terms["whistle"] = w.whistle * (cost * (0.05 + sibilant)).sum() / (sibilant.sum() + 200)
    s = torch.sigmoid(raw[..., N + 1 : N + 3])
    centre = (s[..., 0] * np.log2(6.4) - torch.log2(batch["centre"] / REDUCTION_LOW_HZ)).abs()
    width = (s[..., 1] * WIDTH_MOST - batch["width"]).abs()
    terms["place"] = w.place * ((centre + width) * friction).sum() / (friction.sum() + 200)
    return terms


@torch.no_grad()
def figures(raw: torch.Tensor, batch: dict) -> dict[str, float]:
    """Readable sums over a batch, to be divided by their counts: see `train.validate`."""
    c, target, share = batch["classes"].long(), batch["target"], batch["weight"]
    p = torch.softmax(raw[..., :N], -1)
    r = weight(p) * EXCESS_UNIT * torch.relu(raw[..., N + 3 :])
    mean = lambda v: (v * share).sum(-1)  # noqa: E731
    sib = (c == S) | (c == SH)
    boosted = sib & (target.amax(-1) > 1)
    natural = sib & (target.amax(-1) <= 0)
    none = c == NONE
    touched = r.amax(-1) > 0.5
    pick = lambda v, m: (float(v[m].sum()), int(m.sum()))  # noqa: E731
    return {"error_db": pick(mean((r - target).abs()), boosted), "bias_db": pick(mean(r - target), boosted),
            "natural_db": pick(mean(r), natural), "recall": pick((p[..., S] + p[..., SH] > 0.5).float(), sib),
            "none_touched": pick(touched.float(), none), "none_db": pick(mean(r), none),
            "plosive_db": pick(mean(r), c == PLOSIVE)}
