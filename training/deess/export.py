"""Writes the network as an ONNX graph of one step, with manifest and parity vectors.

    python -m training.deess.export --checkpoint training/runs/deess/last.pt
    python -m training.deess.export --random          # untrained, to try a framework
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from onnx import TensorProto

from ..common.graph import Graph, Steps, initialisers
from .bands import BANDS, CLASSES, FALL_MS, HOP_MS, MODES, REDUCTION_BANDS, REDUCTION_HIGH_HZ, REDUCTION_LOW_HZ, WINDOW_MS
from .net import (EXCESS_UNIT, FRICTION_GAIN, HIDDEN, LEVEL_FLOOR, LEVEL_SECONDS, LOG_SCALE, MEANS, N, PAST, POWER_EPS,
                  STATES, WEIGHT_LEAST, WIDTH_MOST, Net, gate_mixer, gate_weights, keep, level_weights, rates, run)

ROOT = Path(__file__).parents[2]
ID, VERSION, LICENSE = "deess", "0.1.0", "CC-BY-SA-4.0"
INPUTS = {"bands": [1, BANDS], "mode": [1, len(MODES)]}
OUTPUTS = {"classes": [1, N], "whistle": [1, 1], "excess": [1, REDUCTION_BANDS], "centre": [1, 1], "width": [1, 1]}
PARITY_FRAMES, PARITY_RESET, TOLERANCE = 60, 30, 1e-3


def build(net: Net):
    """The graph of one step."""
    g = Graph()
    w = {k: v.detach().cpu().numpy() for k, v in net.named_parameters()}
    c = lambda name: g.const(name, w[name])  # noqa: E731
    rate = 1 - keep(LEVEL_SECONDS)

    mean = g.op("Sqrt", g.op("Sqrt", g.op("MatMul", "bands", g.const("level_w", level_weights()[:, None]))))
    active = g.op("Cast", g.op("Greater", mean, g.const("level_floor", [[LEVEL_FLOOR]])), to=TensorProto.FLOAT)
    one = g.const("one", [[1.0]])
    move = g.op("Mul", g.op("Sub", g.op("Concat", mean, one, axis=1), "state_level"),
                g.op("Mul", active, g.const("level_rate", [[rate]])))
    level = g.op("Add", "state_level", move, out="next_level")
    lowest = g.op("Max", g.cut(level, 0, 1, 1), g.const("level_least", [[rate * LEVEL_FLOOR]]))
    inverse = g.op("Div", g.cut(level, 1, 2, 1), lowest)
    inverse = g.op("Mul", inverse, inverse)
    relative = g.op("Add", g.op("Mul", "bands", g.op("Mul", inverse, inverse)), g.const("power_eps", [[POWER_EPS]]))
    x = g.op("Mul", g.op("Log", relative), g.const("log_scale", [[LOG_SCALE]]))

    parts = g.op("MatMul", relative, g.const("gate_w", gate_weights()))
    full = g.op("Min", g.op("Mul", parts, g.const("gate_gain", [[1, FRICTION_GAIN]])), one)
    gates = g.op("Div", g.op("Mul", full, parts), g.op("MatMul", parts, g.const("gate_mixer", gate_mixer())))
    speed = g.op("MatMul", g.const("rates", rates()), g.reshape(gates, 2, 1))
    move = g.op("Mul", speed, g.op("Sub", g.op("Concat", x, one, axis=1), "state_mean"))
    means = g.op("Add", "state_mean", move, out="next_mean")
    weight = g.cut(means, BANDS, BANDS + 1, 1)
    spectra = g.op("Div", g.cut(means, 0, BANDS, 1), g.op("Max", weight, g.const("weight_least", [[WEIGHT_LEAST]])))
    g.op("Concat", x, g.cut("state_past", 0, (PAST - 1) * BANDS, 1), axis=1, out="next_past")
    f = g.op("Concat", x, "state_past", g.reshape(spectra, 1, MEANS * BANDS), g.reshape(weight, 1, MEANS), "mode", axis=1)

    u = g.op("Relu", g.op("Gemm", f, c("in_w"), c("in_b")))
    y = g.op("Gemm", u, c("low_w"), c("low_b"))
    for i in range(2):
        h = _cell(g, w, i, y)
        y = g.op("Add", y, g.reshape(h, 1, HIDDEN))
        if i == 0:
            m = g.op("Relu", g.op("Gemm", y, c("mid1_w"), c("mid1_b")))
            y = g.op("Add", y, g.op("Gemm", m, c("mid2_w"), c("mid2_b")))
    z = g.op("Relu", g.op("Gemm", g.op("Concat", y, u, axis=1), c("head_w"), c("head_b")))
    raw = g.op("Gemm", z, c("out_w"), c("out_b"))
    g.op("Softmax", g.cut(raw, 0, N, 1), axis=1, out="classes")
    s = g.op("Sigmoid", g.cut(raw, N, N + 3, 1))
    g.cut(s, 0, 1, 1, out="whistle")
    span = g.op("Mul", g.cut(s, 1, 2, 1), g.const("span", [[np.log(REDUCTION_HIGH_HZ / REDUCTION_LOW_HZ)]]))
    g.op("Exp", g.op("Add", span, g.const("lowest", [[np.log(REDUCTION_LOW_HZ)]])), out="centre")
    g.op("Mul", g.cut(s, 2, 3, 1), g.const("width_most", [[WIDTH_MOST]]), out="width")
    g.op("Mul", g.op("Relu", g.cut(raw, N + 3, N + 3 + REDUCTION_BANDS, 1)), g.const("unit", [[EXCESS_UNIT]]), out="excess")
    return g.model(ID, INPUTS | {f"state_{k}": s for k, s in STATES.items()},
                   OUTPUTS | {f"next_{k}": s for k, s in STATES.items()})


def _cell(g: Graph, w: dict, i: int, y: str) -> str:
    """A GRU operator of one step; ONNX orders the gates update, reset, candidate, ours reset, update, candidate."""

    def turn(a):
        r, z, n = np.split(a, 3, axis=-1)
        return np.concatenate([z, r, n], -1)

    h = HIDDEN
    wx, wh, bx = (turn(w[f"g{i}_{n}"]) for n in ("wx", "wh", "bx"))
    bh = np.concatenate([np.zeros(2 * h, np.float32), w[f"g{i}_bn"]])
    names = [g.const(f"g{i}_wx", wx.T[None]), g.const(f"g{i}_wh", wh.T[None]),
             g.const(f"g{i}_b", np.concatenate([bx, bh])[None])]
    out = g.op("GRU", g.reshape(y, 1, 1, h), *names, "", f"state_h{i}", out=["", f"next_h{i}"],
               hidden_size=h, linear_before_reset=1)
    return out[1]


def load_onnx(path: Path) -> Net:
    """The network whose weights stand in an exported file, by initialisers' names."""
    found = {k: v.copy() for k, v in initialisers(path).items()}

    def back(a):
        z, r, n = np.split(a, 3, axis=-1)
        return np.concatenate([r, z, n], -1)

    for i in range(2):
        for n in ("wx", "wh"):
            found[f"g{i}_{n}"] = back(found[f"g{i}_{n}"][0].T)
        b = found[f"g{i}_b"][0]
        found[f"g{i}_bx"], found[f"g{i}_bn"] = back(b[: 3 * HIDDEN]), b[5 * HIDDEN :]
    net = Net()
    with torch.no_grad():
        for name, value in net.named_parameters():
            value.copy_(torch.from_numpy(np.ascontiguousarray(found[name])))
    return net


def parity_input(frames: int, seed: int = 7) -> np.ndarray:
    """Deterministic band powers `[frames, 40]` f32: smooth noise with loud low and loud high
    stretches, and a gap of silence."""
    rng = np.random.default_rng(seed)
    at = np.arange(frames)[:, None]
    tilt = np.where(at // 9 % 2 == 0, np.linspace(0, -8, BANDS), np.linspace(-5, -2, BANDS))
    x = 10 ** (tilt + rng.normal(-2, 0.5, (frames, BANDS)))
    x[frames // 3 : frames // 3 + 2] = 0
    return x.astype(np.float32)


def worst(got: dict, want: dict) -> float:
    """Largest difference of outputs; that of `centre` relative, that of `excess` per unit."""
    scale = {"centre": REDUCTION_LOW_HZ, "excess": EXCESS_UNIT}
    return max(float(np.abs(got[k] - want[k]).max()) / scale.get(k, 1.0) for k in want)


def parity(net: Net, model, frames: int = 300) -> float:
    """Largest difference between PyTorch and onnxruntime over `frames` steps, with the states
    reset before the one in the middle."""
    x, half, step, error = parity_input(frames), frames // 2, Steps(model.SerializeToString()), 0.0
    for part, mode in ((x[:half], np.eye(3)[0]), (x[half:], np.eye(3)[2])):
        step.reset()
        got = step({"bands": part, "mode": np.tile(mode.astype(np.float32), (len(part), 1))})
        error = max(error, worst(got, run(net, part, mode)[0]))
    return error


def write(net: Net, folder: Path, figures: dict | None = None) -> float:
    """Writes `model.onnx`, `manifest.toml` and `parity/` into `folder`; returns the parity
    error, and refuses to write when it is too large."""
    model = build(net.eval())
    error = parity(net, model)
    if error >= TOLERANCE:
        raise ValueError(f"PyTorch and onnxruntime differ by {error:.2e}")
    (folder / "parity").mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    x, rows = parity_input(PARITY_FRAMES), []
    for part, mode in ((x[:PARITY_RESET], np.eye(3)[0]), (x[PARITY_RESET:], np.eye(3)[2])):
        rows.append({"bands": part, "mode": np.tile(mode, (len(part), 1))} | run(net, part, mode)[0])
    for name in (*INPUTS, *OUTPUTS):
        np.concatenate([r[name] for r in rows]).astype("<f4").tofile(folder / "parity" / f"{name}.f32")
    write_manifest(folder, figures)
    return error


def write_manifest(folder: Path, figures: dict | None = None) -> None:
    """Writes `manifest.toml` for the `model.onnx` in `folder`."""
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    lines = [
        f'id = "{ID}"', 'name = "De-esser"', f'version = "{VERSION}"', 'task = "deess"',
        'authors = "Plainsong contributors"', f'license = "{LICENSE}"',
        f"window_ms = {WINDOW_MS}", f"fall_ms = {FALL_MS}", f"hop_ms = {HOP_MS}", 'window = "asymmetric-hann"',
        f"classes = {json.dumps(list(CLASSES))}", f"modes = {json.dumps(list(MODES))}",
        f"reduction_hz = [{REDUCTION_LOW_HZ}, {REDUCTION_HIGH_HZ}]",
        'file = "model.onnx"', f'sha256 = "{digest}"', "",
    ]
    for kind, named in (("inputs", INPUTS), ("outputs", OUTPUTS), ("states", STATES)):
        for k, s in named.items():
            lines += [f"[[{kind}]]", f'name = "{k}"', f"shape = {s}", ""]
    lines += ["# parity/NAME.f32 of each input and output: little-endian f32 [frames, ...]; all states are set to zero",
              "# before frame 0 and before frame `reset`. Compare relative to max(1, the tensor's largest magnitude).",
              "[parity]", f"frames = {PARITY_FRAMES}", f"reset = {PARITY_RESET}", f"tolerance = {TOLERANCE}", ""]
    if figures:
        lines += ["[figures]"] + [f"{k} = {json.dumps(v)}" for k, v in figures.items()] + [""]
    (folder / "manifest.toml").write_text("\n".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, help="a trainer's file; its averaged weights are taken")
    parser.add_argument("--raw", action="store_true", help="take the last weights, not the averaged")
    parser.add_argument("--random", action="store_true", help="random weights, to try a framework")
    parser.add_argument("--out", type=Path, default=ROOT / "models" / ID)
    args = parser.parse_args()
    torch.manual_seed(1)
    net = Net()
    if not args.random:
        saved = torch.load(args.checkpoint, map_location="cpu", weights_only=False)
        net.load_state_dict(saved["net" if args.raw else "ema"])
    error = write(net, args.out)
    print(f"{args.out}: {sum(p.numel() for p in net.parameters())} parameters, parity error {error:.1e}")


if __name__ == "__main__":
    main()
