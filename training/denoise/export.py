"""Writes a network as an ONNX graph of one frame, with manifest and parity vectors.

The graph is built node by node, so that operators, names and their number are ours: opset 17,
concrete shapes, f32, recurrence as matrix products. Initialisers carry the parameters' names,
so `load_onnx` gets the weights back from a shipped file.

    python -m training.denoise.export --mode standard --checkpoint training/runs/standard/last.pt
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto

from ..common import manifest
from ..common.graph import Graph, Steps, initialisers
from .frames import BINS, MODES, RATE, Mode
from .net import (BANDS, CHANNELS, ENERGY_EPS, HIGH_STEPS, LEVEL_FLOOR, LOW_BINS, LOW_STEPS,
                  STEP_BANDS, STEP_BINS, STEPS, Net, full_mask, level_keep)

ROOT = Path(__file__).parents[2]
VERSION = "0.1.0"
LICENSE = "CC-BY-SA-4.0"
PARITY_FRAMES = 12
PARITY_RESET = 6


def build(net: Net, mode: Mode) -> onnx.ModelProto:
    """The graph of one frame of `net` in `mode`."""
    g = Graph()
    w = {k: g.const(k, v.detach().cpu().numpy()) for k, v in net.named_parameters()}
    keep = level_keep(mode)
    c = CHANNELS

    energy = g.op("ReduceSum", g.op("Mul", "spectrum", "spectrum"),
                  g.const("i2", [2], np.int64), keepdims=0)
    bands = g.op("MatMul", g.cut(energy, LOW_BINS, BINS, 1), g.const("merge", net.merge.cpu()))
    energy = g.op("Concat", g.cut(energy, 0, LOW_BINS, 1), bands, axis=1)
    mean = g.op("MatMul", g.op("Sqrt", g.op("Sqrt", energy)),
                g.const("level_w", net.level_w.cpu().numpy()[:, None]))
    active = g.op("Cast", g.op("Greater", mean, g.const("level_floor", [[LEVEL_FLOOR]])),
                  to=TensorProto.FLOAT)
    rate = g.op("Mul", active, g.const("level_rate", [[1 - keep]]))
    aim = g.op("Concat", mean, g.const("one", [[1.0]]), axis=1)
    level = g.op("Add", "state_level", g.op("Mul", rate, g.op("Sub", aim, "state_level")),
                 out="next_level")
    lowest = g.op("Max", g.cut(level, 0, 1, 1), g.const("level_least", [[(1 - keep) * LEVEL_FLOOR]]))
    inverse = g.op("Div", g.cut(level, 1, 2, 1), lowest)
    g2 = g.op("Mul", inverse, inverse)
    relative = g.op("Mul", energy, g.op("Mul", g2, g2))
    m = g.op("Add", relative, g.const("energy_eps", [[ENERGY_EPS]]))
    for _ in range(3):
        m = g.op("Sqrt", m)
    ml, mh = g.cut(m, 0, LOW_BINS, 1), g.cut(m, LOW_BINS, LOW_BINS + BANDS, 1)
    scale = g.op("Div", g2, g.op("Mul", g.op("Mul", ml, ml), ml))
    z = g.op("Mul", g.cut("spectrum", 0, LOW_BINS, 1), g.reshape(scale, 1, LOW_BINS, 1))
    low = g.op("Concat", g.reshape(z, LOW_STEPS, 2 * STEP_BINS),
               g.reshape(ml, LOW_STEPS, STEP_BINS), axis=1)
    x = g.op("Concat", g.op("MatMul", low, w["low_w"]),
             g.op("MatMul", g.reshape(mh, HIGH_STEPS, STEP_BANDS), w["high_w"]), axis=0)
    x = g.op("Add", x, w["step_b"])
    for i in range(net.blocks):
        q = lambda n: w[f"b{i}_{n}"]  # noqa: B023, E731
        h = f"state_h{i}"
        gx = g.op("Add", g.op("MatMul", x, q("wx")), q("bx"))
        gh = g.op("MatMul", h, q("wh"))
        rz = g.op("Sigmoid", g.op("Add", g.cut(gx, 0, 2 * c, 1), g.cut(gh, 0, 2 * c, 1)))
        r, u = g.cut(rz, 0, c, 1), g.cut(rz, c, 2 * c, 1)
        n = g.op("Mul", r, g.op("Add", g.cut(gh, 2 * c, 3 * c, 1), q("bn")))
        n = g.op("Tanh", g.op("Add", g.cut(gx, 2 * c, 3 * c, 1), n))
        h = g.op("Add", n, g.op("Mul", u, g.op("Sub", h, n)), out=f"next_h{i}")
        x = g.op("Add", x, h)
        u = g.op("Relu", g.op("Add", g.op("MatMul", q("f1"), x), q("f1b")))
        x = g.op("Add", x, g.op("Add", g.op("MatMul", q("f2"), u), q("f2b")))
        u = g.op("Relu", g.op("Add", g.op("MatMul", x, q("c1")), q("c1b")))
        x = g.op("Add", x, g.op("Add", g.op("MatMul", u, q("c2")), q("c2b")))
    mask = g.op("Add", g.op("MatMul", g.cut(x, 0, LOW_STEPS, 0), w["mask_w"]), w["mask_b"])
    mask = g.reshape(g.op("Tanh", mask), 1, LOW_BINS, 2)
    gain = g.op("Add", g.op("MatMul", g.cut(x, LOW_STEPS, STEPS, 0), w["gain_w"]), w["gain_b"])
    gain = g.op("MatMul", g.reshape(g.op("Sigmoid", gain), 1, BANDS), g.const("expand", net.expand.cpu()))
    high = BINS - LOW_BINS
    gain = g.op("Concat", g.reshape(gain, 1, high, 1), g.const("no_turn", np.zeros((1, high, 1))), axis=2)
    g.op("Concat", mask, gain, axis=1, out="mask")

    states = net.state_shapes()
    return g.model(mode.model_id, {"spectrum": [1, BINS, 2]} | {f"state_{k}": s for k, s in states.items()},
                   {"mask": [1, BINS, 2]} | {f"next_{k}": s for k, s in states.items()})


def load_onnx(path: Path) -> Net:
    """The network whose weights stand in an exported file, by initialisers' names."""
    weights = initialisers(path)
    net = Net(sum(k.endswith("_wx") for k in weights))
    with torch.no_grad():
        for name, value in net.named_parameters():
            value.copy_(torch.from_numpy(weights[name].copy()))
    return net


class Stepper(Steps):
    """Runs an exported graph frame by frame; states start at zero."""

    def __call__(self, spec: np.ndarray) -> np.ndarray:
        """Masks `[frames, 481]` complex64 of spectra `[frames, 481]` complex64."""
        pairs = np.stack([spec.real, spec.imag], -1).astype(np.float32)
        mask = super().__call__({"spectrum": pairs})["mask"]
        return np.ascontiguousarray(mask).view(np.complex64)[..., 0]


def parity_input(frames: int, seed: int = 7) -> np.ndarray:
    """Deterministic spectra `[frames, 481, 2]` f32: noise of changing level, gaps of silence."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((frames, BINS, 2)) * 1e-3
    x *= 10 ** (rng.uniform(-1.5, 0.5, (frames, 1, 1)) - np.linspace(0, 2, BINS)[None, :, None])
    x[frames // 3] = 0
    return x.astype(np.float32)


def parity(net: Net, mode: Mode, model: onnx.ModelProto, frames: int = 300) -> float:
    """Largest difference of masks between PyTorch and onnxruntime over `frames` frames, with
    the states reset before the frame in the middle."""
    x, half = parity_input(frames), frames // 2
    step = Stepper(model.SerializeToString())
    worst = 0.0
    for part in (x[:half], x[half:]):
        step.reset()
        got = step(part[..., 0] + 1j * part[..., 1])
        with torch.no_grad():
            want = full_mask(*net(torch.from_numpy(part)[None], level_keep(mode)))[0].numpy()
        worst = max(worst, float(np.abs(np.stack([got.real, got.imag], -1) - want).max()))
    return worst


def write(net: Net, mode: Mode, folder: Path, figures: dict | None = None) -> float:
    """Writes `model.onnx`, `manifest.toml` and `parity/` into `folder`; returns the parity
    error, and refuses to write when it is 1e-4 or more."""
    model = build(net.eval(), mode)
    error = parity(net, mode, model)
    if error >= 1e-4:
        raise ValueError(f"PyTorch and onnxruntime differ by {error:.2e}")
    folder.mkdir(parents=True, exist_ok=True)
    data = model.SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    x, parts = parity_input(PARITY_FRAMES), []
    for part in (x[:PARITY_RESET], x[PARITY_RESET:]):
        with torch.no_grad():
            parts.append(full_mask(*net(torch.from_numpy(part)[None], level_keep(mode)))[0].numpy())
    (folder / "parity").mkdir(exist_ok=True)
    x.astype("<f4").tofile(folder / "parity" / "spectrum.f32")
    np.concatenate(parts).astype("<f4").tofile(folder / "parity" / "mask.f32")
    write_manifest(net, mode, folder, figures)
    return error


def write_manifest(net: Net, mode: Mode, folder: Path, figures: dict | None = None) -> None:
    """Writes `manifest.toml` for the `model.onnx` in `folder`."""
    kind = mode.kind.removesuffix("-sqrt-hann")
    samples = lambda ms: RATE * ms // 1000  # noqa: E731
    name = "Denoise" if mode.name == "standard" else "Denoise, low latency"
    groups = {"inputs": {"spectrum": [1, BINS, 2]}, "outputs": {"mask": [1, BINS, 2]}, "states": net.state_shapes()}
    lines = [
        *manifest.card(mode.model_id, name, VERSION, "denoise", LICENSE),
        f"rate = {RATE}", *manifest.weights(folder),
        "[frame]", f"window = {samples(mode.window_ms)}", f"hop = {samples(mode.hop_ms)}",
        f'analysis = "{kind}"', f'synthesis = "{kind}"',
        *([f"synthesis_window = {samples(mode.synthesis_ms)}"] if mode.synthesis_ms != mode.window_ms else []),
        'scale = "amplitude"', "",
        *manifest.tensors(groups, {"spectrum": "spectrum", "mask": "mask"}), *manifest.parity(PARITY_FRAMES, PARITY_RESET, "1e-4"),
    ]
    manifest.write(folder, lines, figures)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", choices=MODES, required=True)
    parser.add_argument("--checkpoint", type=Path, help="a trainer's file; its averaged weights are taken")
    parser.add_argument("--raw", action="store_true", help="take the last weights, not the averaged")
    parser.add_argument("--random", action="store_true", help="random weights, to try a framework")
    parser.add_argument("--out", type=Path, help="folder; models/<id> by default")
    args = parser.parse_args()
    mode = MODES[args.mode]
    if args.random:
        torch.manual_seed(1)
        net = Net()
    else:
        saved = torch.load(args.checkpoint, map_location="cpu", weights_only=False)
        net = Net(saved["blocks"])
        net.load_state_dict(saved["net" if args.raw else "ema"])
    folder = args.out or ROOT / "models" / mode.model_id
    error = write(net, mode, folder)
    count = sum(p.numel() for p in net.parameters())
    print(f"{folder}: {count} parameters, parity error {error:.1e}")


if __name__ == "__main__":
    main()
