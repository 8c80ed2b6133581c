"""From a PyTorch module of one's own to a choice in Plainsong's model menu. docs/MODELS.md goes through it.

    python -m training.examples.gate my-gate          # trains for half a minute, writes the folder my-gate
    cargo xtask models add my-gate

Needs torch, numpy and onnx (training/requirements.txt). The audio is made up here, so what the model
learns is to keep what is harmonic and to lower steady noise: enough to hear it work, no match for a model
that has heard people.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import nn

RATE = 48_000
WINDOW, HOP = 960, 480
BINS = WINDOW // 2 + 1
BANDS, UNITS = 32, 48
POWER = 0.3
"""Magnitudes go in to this power: loud and soft parts come closer together."""


def bands() -> torch.Tensor:
    """Triangles on a scale like the ear's, ``[band, bin]``; each column sums to 1."""
    hz = np.arange(BINS) * RATE / WINDOW
    place = np.log10(1 + hz / 600)
    centres = np.linspace(0, place[-1], BANDS)
    width = centres[1]
    weights = np.maximum(0, 1 - np.abs(place[None] - centres[:, None]) / width)
    return torch.tensor(weights / weights.sum(0), dtype=torch.float32)


class Gate(nn.Module):
    """A gain for each bin from one frame of magnitudes and what was heard before.

    One call is one frame: the state comes in and goes out, so a host can run it forever.
    """

    def __init__(self):
        super().__init__()
        weights = bands()
        self.register_buffer("gather", (weights / weights.sum(1, keepdim=True)).T.contiguous())
        self.register_buffer("spread", weights.contiguous())
        self.gru = nn.GRU(BANDS, UNITS)
        self.out = nn.Linear(UNITS, BANDS)

    def forward(self, magnitudes, h):
        """``magnitudes [1, BINS]``, ``h [1, 1, UNITS]`` -> ``gains [1, BINS]``, the next ``h``."""
        x = magnitudes @ self.gather
        _, h = self.gru(x.unsqueeze(0), h)
        return torch.sigmoid(self.out(h.squeeze(0))) @ self.spread, h

    def many(self, magnitudes):
        """All frames at once, for training: ``[frame, row, BINS]`` -> gains of the same shape."""
        y, _ = self.gru(magnitudes @ self.gather)
        return torch.sigmoid(self.out(y)) @ self.spread


def mixtures(rows: int, frames: int, random: np.random.Generator):
    """Voices made of harmonics and noise of all colours: magnitudes of mixture and voice, ``[frame, row, bin]``."""
    samples = (frames - 1) * HOP + WINDOW
    time = np.arange(samples) / RATE
    clean = np.zeros((rows, samples), np.float32)
    noise = np.zeros_like(clean)
    for row in range(rows):
        pitch = random.uniform(80, 280) * 2 ** (0.3 * np.sin(2 * np.pi * random.uniform(0.3, 2) * time + random.uniform(0, 6)))
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        formants = random.uniform([300, 900, 2200], [800, 2000, 3500])
        for number in range(1, 40):
            hz = number * pitch.mean()
            level = sum(1 / (1 + ((hz - formant) / (0.15 * formant)) ** 2) for formant in formants) / number**0.5
            clean[row] += level * np.sin(number * phase)
        syllables = np.sin(np.pi * random.uniform(2, 5) * time + random.uniform(0, 6))
        clean[row] *= np.maximum(0, syllables) ** 0.5
        colour = np.fft.rfft(random.standard_normal(samples)) * (np.arange(samples // 2 + 1) + 50.0) ** random.uniform(-1, 0.3)
        noise[row] = np.fft.irfft(colour, samples)
    clean *= (10 ** (random.uniform(-35, -15, (rows, 1)) / 20)) / (clean.std(1, keepdims=True) + 1e-6)
    noise *= clean.std(1, keepdims=True) / noise.std(1, keepdims=True) * 10 ** (-random.uniform(-5, 20, (rows, 1)) / 20)
    window = torch.hann_window(WINDOW).sqrt()

    def spectrum(x):
        # Scaled as Plainsong scales spectra for a model that asks for nothing else (`scale = 1.0`): a plain transform.
        cut = torch.tensor(x, dtype=torch.float32).unfold(1, WINDOW, HOP) * window
        return torch.fft.rfft(cut).abs().transpose(0, 1)

    return spectrum(clean + noise), spectrum(clean)


def train(steps: int, seed: int = 1) -> Gate:
    """Trains a gate."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    pool = [mixtures(8, 150, random) for _ in range(min(4, steps))]
    net = Gate()
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=max(steps, 2))
    for step in range(steps):
        mixture, clean = pool[step % len(pool)]
        gains = net.many(mixture**POWER)
        loss = ((gains * mixture + 1e-4) ** POWER - (clean + 1e-4) ** POWER).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.4f}", flush=True)
    return net.eval()


MANIFEST = """\
id = "{id}"
name = "{name}"
version = "1"
task = "denoise"
authors = "Who trained it"
license = "CC0-1.0"
rate = {rate}
file = "model.onnx"
sha256 = "{hash}"

[frame]
window = {window}
hop = {hop}
analysis = "sqrt-hann"
synthesis = "sqrt-hann"
scale = 1.0

[[inputs]]
name = "magnitudes"
shape = [1, {bins}]
holds = {{ magnitudes = {power} }}

[[outputs]]
name = "gains"
shape = [1, {bins}]
holds = "gains"

[[states]]
name = "h"
shape = [1, 1, {units}]
input = "h"
output = "h_next"
"""

CARD = """\
# {name}: model card

A small gate: bands, one recurrent layer of {units} units, a gain for each band. Made by `training/examples/gate.py`
from sounds that a program made up. It keeps what is harmonic and lowers steady noise.

It is an example. For voices take another model.
"""


def export(net: Gate, folder: Path, identity: str, name: str) -> None:
    """Writes `model.onnx`, `manifest.toml` and `CARD.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    example = (torch.zeros(1, BINS), torch.zeros(1, 1, UNITS))
    names = {"input_names": ["magnitudes", "h"], "output_names": ["gains", "h_next"]}
    torch.onnx.export(net, example, str(path), opset_version=17, dynamo=False, **names)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    text = {"id": identity, "name": name, "hash": digest, "rate": RATE, "window": WINDOW, "hop": HOP}
    text |= {"bins": BINS, "power": POWER, "units": UNITS}
    (folder / "manifest.toml").write_text(MANIFEST.format(**text))
    (folder / "CARD.md").write_text(CARD.format(**text))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the model is written; its name is the model's id")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--name", default="Example gate")
    args = parser.parse_args()
    export(train(args.steps), args.folder, args.folder.name, args.name)
    print(f"{args.folder} is written; now: cargo xtask models add {args.folder}")


if __name__ == "__main__":
    main()
