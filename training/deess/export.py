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
    """The graph of one step. Each operator costs about the same whatever its size, so they are few: scales are folded
    into weights (`fold`), and vectors are joined where they take the same way."""
    g = Graph()
    w = fold({k: v.detach().cpu().numpy() for k, v in net.named_parameters()})
    c = lambda name: g.const(name, w[name])  # noqa: E731
    rate = 1 - keep(LEVEL_SECONDS)

    # [e^(1/4), 1] and the state [running mean of it, running weight]
    both = np.stack([level_weights(), np.zeros(BANDS, np.float32)], 1)
    aim = g.op("Pow", g.op("Gemm", "bands", g.const("level_w", both), g.const("level_one", [[0.0, 1.0]])), g.const("quarter", 0.25))
    heard = g.op("MatMul", aim, g.const("level_gain", [[rate / LEVEL_FLOOR], [0.0]]))
    move = g.op("Mul", g.op("Sub", aim, "state_level"), g.op("Min", heard, g.const("level_rate", [[rate]])))
    level = g.op("Add", "state_level", move, out="next_level")
    mean, count = g.op("Split", level, axis=1, out=["level_mean", "level_count"])
    inverse = g.op("Div", count, g.op("Max", mean, g.const("level_least", [[rate * LEVEL_FLOOR]])))
    scale = g.op("Pow", inverse, g.const("four", 4.0))
    relative = g.op("Add", g.op("Mul", "bands", scale), g.const("power_eps", [[POWER_EPS]]))
    x = g.op("Log", relative)

    # gates as a column, with the gain of friction in the weights of its mean
    gain = np.array([1, FRICTION_GAIN], np.float32)
    parts = g.op("Gemm", g.const("gate_w", gate_weights() * gain), relative, transA=1, transB=1)
    full = g.op("Min", parts, g.const("one", [[1.0]]))
    mixer = gain[:, None] * gate_mixer().T / gain
    gates = g.op("Div", g.op("Mul", full, parts), g.op("MatMul", g.const("gate_mixer", mixer), parts))
    move = g.op("Mul", g.op("MatMul", g.const("rates", rates()), gates),
                g.op("Sub", g.op("Concat", x, g.const("one", [[1.0]]), axis=1), "state_mean"))
    means = g.op("Add", "state_mean", move, out="next_mean")
    # spectra divided by their weight, and the weight itself, side by side
    weight = g.cut(means, BANDS, BANDS + 1, 1)
    under = g.op("Gemm", weight, g.const("spread", np.append(np.ones(BANDS), 0)[None]),
                 g.const("itself", np.append(np.zeros(BANDS), 1)[None]))
    spectra = g.op("Div", means, g.op("Max", under, g.const("weight_least", [[WEIGHT_LEAST]])))
    f = g.op("Concat", x, "state_past", g.reshape(spectra, 1, MEANS * (BANDS + 1)), "mode", axis=1)
    g.cut(f, 0, PAST * BANDS, 1, out="next_past")

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
    sizes = g.const("heads", [N, 3, REDUCTION_BANDS], np.int64)
    logits, place, excess = g.op("Split", raw, sizes, axis=1, out=["logits", "place", "raw_excess"])
    g.op("Softmax", logits, axis=1, out="classes")
    g.op("Relu", excess, out="excess")
    span = np.log(REDUCTION_HIGH_HZ / REDUCTION_LOW_HZ)
    place = g.op("Mul", g.op("Sigmoid", place), g.const("place_span", [[1.0, span, WIDTH_MOST]]))
    place = g.op("Add", place, g.const("place_from", [[0.0, np.log(REDUCTION_LOW_HZ), 0.0]]))
    _, centre, _ = g.op("Split", place, axis=1, out=["whistle", "log_centre", "width"])
    g.op("Exp", centre, out="centre")
    return g.model(ID, INPUTS | {f"state_{k}": s for k, s in STATES.items()},
                   OUTPUTS | {f"next_{k}": s for k, s in STATES.items()})


def order() -> np.ndarray:
    """Rows of `in_w` in the graph's order: its means come with the weight behind each."""
    spectra = BANDS * (1 + PAST)
    weights = spectra + MEANS * BANDS
    rows = list(range(spectra))
    for k in range(MEANS):
        rows += [*range(spectra + k * BANDS, spectra + (k + 1) * BANDS), weights + k]
    return np.array(rows + list(range(weights + MEANS, weights + MEANS + len(MODES))))


def scales() -> tuple[np.ndarray, np.ndarray]:
    """What is folded into the rows of `in_w` (in the graph's order) and the columns of the output layer."""
    rows = np.full(len(order()), LOG_SCALE, np.float32)
    for k in range(MEANS):
        rows[BANDS * (1 + PAST) + (k + 1) * (BANDS + 1) - 1] = 1
    rows[-len(MODES) :] = 1
    columns = np.ones(N + 3 + REDUCTION_BANDS, np.float32)
    columns[N + 3 :] = EXCESS_UNIT
    return rows, columns


def fold(w: dict) -> dict:
    """Parameters as the graph has them."""
    rows, columns = scales()
    return w | {"in_w": w["in_w"][order()] * rows[:, None], "out_w": w["out_w"] * columns, "out_b": w["out_b"] * columns}


def unfold(w: dict) -> dict:
    """The inverse of `fold`."""
    rows, columns = scales()
    inner = np.empty_like(w["in_w"])
    inner[order()] = w["in_w"] / rows[:, None]
    return w | {"in_w": inner, "out_w": w["out_w"] / columns, "out_b": w["out_b"] / columns}


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
    found = unfold(found)
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
