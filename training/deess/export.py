"""Writes the network as an ONNX graph of one step, with manifest and parity vectors.

    python -m training.deess.export --checkpoint training/runs/deess/last.pt
    python -m training.deess.export --random          # untrained, to try a framework
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from ..common import manifest
from ..common.graph import Graph, Steps, initialisers
from .bands import BANDS, CLASSES, FALL_MS, HOP_MS, MODES, REDUCTION_BANDS, REDUCTION_HIGH_HZ, REDUCTION_LOW_HZ, WINDOW_MS
from .net import (EXCESS_UNIT, FEATURES, HIDDEN, LOG_SCALE, MEANS, MEMORY, MEMORY_BANDS, MEMORY_FROM, MEMORY_LEAST, N,
                  PAST, WIDTH_MOST, Net, count, features, memory_rates, run)

ROOT = Path(__file__).parents[2]
ID, VERSION, LICENSE = "deess", "0.1.0", "CC-BY-SA-4.0"
INPUTS = {"features": [1, FEATURES]}
GRAPH_STATES = {"h0": [1, HIDDEN], "h1": [1, HIDDEN], "memory": [len(MEMORY), MEMORY_BANDS + 1]}
OUTPUTS = {"classes": [1, N], "whistle": [1, 1], "excess": [1, REDUCTION_BANDS], "centre": [1, 1], "width": [1, 1]}
PARITY_FRAMES, PARITY_RESET, TOLERANCE = 120, 60, 1e-3
PARITY_NOTE = [
    "# parity/NAME.f32 of each input and output, and bands and mode, of which the features are made: little-endian f32 [frames, ...]; all states are set to zero",
    "# before frame 0 and before frame `reset`. Compare relative to max(1, the tensor's largest magnitude).",
]


def build(net: Net):
    """The graph of one step, from features on. What comes before is plain arithmetic on 40 numbers (`net.features`),
    which the engine does itself: each operator of a graph costs about the same, whatever its size."""
    g = Graph()
    w = {k: v.detach().cpu().numpy() for k, v in net.named_parameters() if k != "edge_w"}
    w = fold(w | {"balance1_w": net.balance().detach().cpu().numpy()})
    c = lambda name: g.const(name, w[name])  # noqa: E731

    u = g.op("Relu", g.op("Gemm", "features", c("in_w"), c("in_b")))
    y = g.op("Gemm", u, c("low_w"), c("low_b"))
    for i in range(2):
        y = g.op("Add", y, _cell(g, w, i, y))
        if i == 0:
            m = g.op("Relu", g.op("Gemm", y, c("mid1_w"), c("mid1_b")))
            y = g.op("Add", y, g.op("Gemm", m, c("mid2_w"), c("mid2_b")))
    z = g.op("Relu", g.op("Gemm", g.op("Concat", y, u, axis=1), c("head_w"), c("head_b")))
    classes = g.op("Softmax", g.op("Gemm", z, c("class_w"), c("class_b")), axis=1, out="classes")
    now = g.cut("features", MEMORY_FROM, BANDS, 1)
    z = g.op("Concat", y, now, _memory(g, classes, now), axis=1)
    for i in (1, 2):
        z = g.op("Relu", g.op("Gemm", z, c(f"balance{i}_w"), c(f"balance{i}_b")))
    raw = g.op("Gemm", z, c("out_w"), c("out_b"))
    g.op("Relu", g.cut(raw, 3, 3 + REDUCTION_BANDS, 1), out="excess")
    place = g.op("Sigmoid", g.cut(raw, 0, 3, 1))
    g.cut(place, 0, 1, 1, out="whistle")
    span = np.log(REDUCTION_HIGH_HZ / REDUCTION_LOW_HZ)
    centre = g.op("Mul", g.cut(place, 1, 2, 1), g.const("span", [[span]]))
    g.op("Exp", g.op("Add", centre, g.const("lowest", [[np.log(REDUCTION_LOW_HZ)]])), out="centre")
    g.op("Mul", g.cut(place, 2, 3, 1), g.const("width_most", [[WIDTH_MOST]]), out="width")
    return g.model(ID, INPUTS | {f"state_{k}": s for k, s in GRAPH_STATES.items()},
                   OUTPUTS | {f"next_{k}": s for k, s in GRAPH_STATES.items()})


def _memory(g: Graph, classes: str, now: str) -> str:
    """The spectra that the classes weight, each with how well it is founded behind it, as a row."""
    count = len(MEMORY)
    rate = g.reshape(g.op("MatMul", classes, g.const("memory_rates", memory_rates())), count, 1)
    aim = g.op("Concat", now, g.const("one", [[1.0]]), axis=1)
    moved = g.op("Mul", rate, g.op("Sub", aim, "state_memory"))
    memory = g.op("Add", "state_memory", moved, out="next_memory")
    weight = g.op("Max", g.cut(memory, MEMORY_BANDS, MEMORY_BANDS + 1, 1), g.const("memory_least", [[MEMORY_LEAST]]))
    return g.reshape(g.op("Div", memory, weight), 1, count * (MEMORY_BANDS + 1))


def turned(a: np.ndarray) -> np.ndarray:
    """Gates of the last axis in ONNX's order (update, reset, candidate) from ours (reset, update, candidate), and back."""
    r, z, n = np.split(a, 3, axis=-1)
    return np.concatenate([z, r, n], -1)


def _cell(g: Graph, w: dict, i: int, y: str) -> str:
    """One step of a GRU operator, with its state as a row. In tract the operator is a fifth faster than the same
    written as matrix products and slices."""
    wx, wh, bx = (turned(w[f"g{i}_{n}"]) for n in ("wx", "wh", "bx"))
    bh = np.concatenate([np.zeros(2 * HIDDEN, np.float32), w[f"g{i}_bn"]])
    names = [g.const(f"g{i}_wx", wx.T[None]), g.const(f"g{i}_wh", wh.T[None]),
             g.const(f"g{i}_b", np.concatenate([bx, bh])[None])]
    axis = g.const("i0", [0], np.int64)
    out = g.op("GRU", g.op("Unsqueeze", y, axis), *names, "", g.op("Unsqueeze", f"state_h{i}", axis),
               out=["", f"h{i}"], hidden_size=HIDDEN, linear_before_reset=1)
    return g.op("Squeeze", out[1], axis, out=f"next_h{i}")


def order() -> np.ndarray:
    """The net's features in the graph's order: there each mean comes with its weight behind it."""
    spectra = BANDS * (1 + PAST)
    weights = spectra + MEANS * BANDS
    rows = list(range(spectra))
    for k in range(MEANS):
        rows += [*range(spectra + k * BANDS, spectra + (k + 1) * BANDS), weights + k]
    return np.array(rows + list(range(weights + MEANS, weights + MEANS + len(MODES))))


def scales() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is folded into the rows of `in_w` (in the graph's order), those of `balance1_w`, and the columns of the output layer."""
    rows = np.full(len(order()), LOG_SCALE, np.float32)
    for k in range(MEANS):
        rows[BANDS * (1 + PAST) + (k + 1) * (BANDS + 1) - 1] = 1
    rows[-len(MODES) :] = 1
    seen = np.full(HIDDEN + MEMORY_BANDS + len(MEMORY) * (MEMORY_BANDS + 1), LOG_SCALE, np.float32)
    seen[:HIDDEN] = seen[HIDDEN + MEMORY_BANDS :][MEMORY_BANDS :: MEMORY_BANDS + 1] = 1
    columns = np.ones(3 + REDUCTION_BANDS, np.float32)
    columns[3:] = EXCESS_UNIT
    return rows, seen, columns


def graph_features(power: np.ndarray, mode: np.ndarray, state: dict | None = None) -> tuple[np.ndarray, dict]:
    """The graph's input `[T, 246]` of band powers `[T, 40]` and mode `[3]`: logarithms of the present and the two
    last steps, each running mean with its weight, and the mode, logarithms unscaled; and the last states."""
    f, last = features(power[None].astype(np.float32), mode[None].astype(np.float32), state)
    return f[0][:, order()] / scales()[0], last


def fold(w: dict) -> dict:
    """Parameters as the graph has them."""
    rows, seen, columns = scales()
    return w | {"in_w": w["in_w"][order()] * rows[:, None], "balance1_w": w["balance1_w"] * seen[:, None],
                "out_w": w["out_w"] * columns, "out_b": w["out_b"] * columns}


def unfold(w: dict) -> dict:
    """The inverse of `fold`."""
    rows, seen, columns = scales()
    inner = np.empty_like(w["in_w"])
    inner[order()] = w["in_w"] / rows[:, None]
    return w | {"in_w": inner, "balance1_w": w["balance1_w"] / seen[:, None], "out_w": w["out_w"] / columns, "out_b": w["out_b"] / columns}


def load_onnx(path: Path) -> Net:
    """The network whose weights stand in an exported file, by initialisers' names."""
    found = {k: v.copy() for k, v in initialisers(path).items()}
    for i in range(2):
        for n in ("wx", "wh"):
            found[f"g{i}_{n}"] = turned(found[f"g{i}_{n}"][0].T)
        b = found[f"g{i}_b"][0]
        found[f"g{i}_bx"], found[f"g{i}_bn"] = turned(b[: 3 * HIDDEN]), b[5 * HIDDEN :]
    found = unfold(found)
    net = Net()
    with torch.no_grad():
        net.edge_w.zero_()
        for name, value in net.named_parameters():
            if name in found:
                value.copy_(torch.from_numpy(np.ascontiguousarray(found[name])))
    return net


def parity_input(frames: int, seed: int = 7) -> np.ndarray:
    """Deterministic band powers `[frames, 40]` f32: smooth noise with loud low and loud high
    stretches, jumps of level by 40 dB, silence at the start and in between."""
    rng = np.random.default_rng(seed)
    at = np.arange(frames)[:, None]
    tilt = np.where(at // 9 % 2 == 0, np.linspace(0, -8, BANDS), np.linspace(-5, -2, BANDS))
    x = 10 ** (tilt + rng.normal(-2, 0.5, (frames, BANDS)))
    x *= np.where(at // 25 % 2 == 0, 1.0, 1e-4)
    x[:2] = x[frames // 3 : frames // 3 + 2] = x[frames // 2 : frames // 2 + 1] = 0
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
        got = step({"features": graph_features(part, mode)[0].astype(np.float32)})
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
        given = {"bands": part, "mode": np.tile(mode, (len(part), 1)), "features": graph_features(part, mode)[0]}
        rows.append(given | run(net, part, mode)[0])
    for name in rows[0]:
        np.concatenate([r[name] for r in rows]).astype("<f4").tofile(folder / "parity" / f"{name}.f32")
    write_manifest(folder, figures)
    return error


def write_manifest(folder: Path, figures: dict | None = None) -> None:
    """Writes `manifest.toml` for the `model.onnx` in `folder`."""
    lines = [
        *manifest.card(ID, "De-esser", VERSION, "deess", LICENSE),
        f"window_ms = {WINDOW_MS}", f"fall_ms = {FALL_MS}", f"hop_ms = {HOP_MS}", 'window = "asymmetric-hann"',
        f"classes = {json.dumps(list(CLASSES))}", f"modes = {json.dumps(list(MODES))}",
        f"reduction_hz = [{REDUCTION_LOW_HZ}, {REDUCTION_HIGH_HZ}]",
        *manifest.weights(folder), *manifest.tensors({"inputs": INPUTS, "outputs": OUTPUTS, "states": GRAPH_STATES}),
        *manifest.parity(PARITY_FRAMES, PARITY_RESET, TOLERANCE, PARITY_NOTE),
    ]
    manifest.write(folder, lines, figures)


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
    print(f"{args.out}: {count(net)} parameters, parity error {error:.1e}")


if __name__ == "__main__":
    main()
