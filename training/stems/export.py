"""Writes a network as an ONNX graph of one frame, with manifest and parity vectors.

Input `spectrum` `[2, 961, 2]` (channel, bin, real and imaginary part), output `mask`
`[S, 2, 961, 2]` for the task's sources; the last stem is the mix less the masked ones. Opset 17, concrete
shapes, f32, recurrence as matrix products. Initialisers carry the parameters' names, so
`load_onnx` gets the weights back from a shipped file.

    python -m training.stems.export --checkpoint training/runs/stems/last.pt
    python -m training.stems.export --random --size 96x4 --out training/runs/try
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto

from ..common.graph import Graph, Steps, initialisers
from .frames import BINS, MODES, RATE, Mode
from .net import (BANDS, ENERGY_EPS, GROUPS, HIGH_BANDS, LEVEL_FLOOR, LOW_BINS, MASK_LIMIT, NORM_EPS, STEMS, TASKS,
                  TRIANGLES, TRIANGLES_A_BAND, Net, Size, full_mask, level_keep)

ROOT = Path(__file__).parents[2]
VERSION = "0.1.0"
LICENSE = "CC-BY-SA-4.0"
PARITY_FRAMES, PARITY_RESET = 8, 4
TOLERANCE = 2e-4
"""Largest difference of a mask between PyTorch and onnxruntime; masks reach 2."""


def model_id(task: str, mode: Mode) -> str:
    """Folder and id: the task's name, with "-low" for the low-latency framing."""
    return task + ("" if mode.name == "standard" else "-low")


def build(net: Net, mode: Mode) -> onnx.ModelProto:
    """The graph of one frame of `net` in `mode`."""
    g = Graph()
    w = {k: g.const(k, v.detach().cpu().numpy()) for k, v in net.named_parameters()}
    keep, c, k = level_keep(mode), net.size.channels, LOW_BINS
    root8 = lambda v: g.op("Sqrt", g.op("Sqrt", g.op("Sqrt", v)))  # noqa: E731

    # energies [961, 3]: left, right, cross product
    square = g.op("ReduceSum", g.op("Mul", "spectrum", "spectrum"), g.const("i2", [2], np.int64), keepdims=0)
    left, right = g.cut("spectrum", 0, 1, 0), g.cut("spectrum", 1, 2, 0)
    cross = g.op("ReduceSum", g.op("Mul", left, right), g.const("i2", [2], np.int64), keepdims=0)
    each = g.op("Concat", square, cross, axis=0)
    high = g.op("MatMul", g.cut(each, k, BINS, 1), g.const("merge", net.merge.cpu()))
    each = g.op("Concat", g.cut(each, 0, k, 1), high, axis=1)
    el, er, cross = (g.cut(each, n, n + 1, 0) for n in range(3))
    energy = g.op("Add", el, er)
    # the running level
    mean = g.op("MatMul", g.op("Sqrt", g.op("Sqrt", energy)), g.const("level_w", net.level_w.cpu().numpy()[:, None]))
    active = g.op("Cast", g.op("Greater", mean, g.const("level_floor", [[LEVEL_FLOOR]])), to=TensorProto.FLOAT)
    rate = g.op("Mul", active, g.const("level_rate", [[1 - keep]]))
    aim = g.op("Concat", mean, g.const("one", [[1.0]]), axis=1)
    level = g.op("Add", "state_level", g.op("Mul", rate, g.op("Sub", aim, "state_level")), out="next_level")
    lowest = g.op("Max", g.cut(level, 0, 1, 1), g.const("level_least", [[(1 - keep) * LEVEL_FLOOR]]))
    inverse = g.op("Div", g.cut(level, 1, 2, 1), lowest)
    g2 = g.op("Mul", inverse, inverse)
    g4 = g.op("Mul", g2, g2)
    # features
    eps = g.const("energy_eps", [[ENERGY_EPS]])
    e = g.op("Add", g.op("Mul", energy, g4), eps)
    m = root8(e)
    place = g.op("Div", g.op("Mul", m, g.op("Mul", g.op("Sub", el, er), g4)), e)
    apart = g.op("Relu", g.op("Sub", g.op("Mul", energy, g.const("half", [[0.5]])), cross))
    side = root8(g.op("Add", g.op("Mul", apart, g4), eps))
    three = g.op("Concat", m, place, side, axis=0)
    three = g.op("Transpose", three, perm=[1, 0])  # [272, 3]
    scale = g.op("Div", g2, g.op("Mul", m, g.op("Mul", m, m)))
    scale = g.reshape(g.cut(scale, 0, k, 1), k, 1)
    z = [g.op("Mul", g.reshape(g.cut(v, 0, k, 1), k, 2), scale) for v in (left, right)]
    bins = g.op("Concat", *z, g.cut(three, 0, k, 0), axis=1)  # [240, 7]
    parts = []
    for n, (first, count, width) in enumerate(GROUPS):
        v = g.reshape(g.cut(bins, first, first + count * width, 0), count, width * 7)
        parts.append(g.op("MatMul", v, w[f"in{n}_w"]))
    v = g.reshape(g.cut(three, k, k + TRIANGLES, 0), HIGH_BANDS, TRIANGLES_A_BAND * 3)
    parts.append(g.op("MatMul", v, w["in3_w"]))
    x = g.op("Add", g.op("Concat", *parts, axis=0), w["step_b"])
    for i in range(net.size.layers):
        q = lambda name: w[f"l{i}_{name}"]  # noqa: B023, E731
        h = f"state_h{i}"
        power = g.op("ReduceMean", g.op("Mul", x, x), axes=[1], keepdims=1)
        n = g.op("Div", x, g.op("Sqrt", g.op("Add", power, g.const("norm_eps", [[NORM_EPS]]))))
        gx = g.op("Add", g.op("MatMul", n, q("wx")), q("bx"))
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
    masks, at, pairs = [], 0, net.sources * 2
    for n, (_, count, width) in enumerate(GROUPS):
        v = g.op("Add", g.op("MatMul", g.cut(x, at, at + count, 0), w[f"out{n}_w"]), w[f"out{n}_b"])
        masks.append(g.reshape(v, count * width, pairs * 2))
        at += count
    low = g.op("Mul", g.op("Tanh", g.op("Concat", *masks, axis=0)), g.const("mask_limit", [[MASK_LIMIT]]))
    v = g.op("Add", g.op("MatMul", g.cut(x, at, BANDS, 0), w["out3_w"]), w["out3_b"])
    gains = g.reshape(g.op("Sigmoid", v), TRIANGLES, pairs)
    gains = g.op("MatMul", g.const("expand", net.expand.cpu().numpy().T), gains)
    high = BINS - k
    gains = g.op("Concat", g.reshape(gains, high, pairs, 1), g.const("no_turn", np.zeros((high, pairs, 1))), axis=2)
    mask = g.op("Concat", g.reshape(low, k, pairs, 2), gains, axis=0)
    mask = g.op("Transpose", mask, perm=[1, 0, 2])
    g.reshape(mask, net.sources, 2, BINS, 2, out="mask")

    states = net.state_shapes()
    return g.model(model_id(net.task, mode), {"spectrum": [2, BINS, 2]} | {f"state_{n}": s for n, s in states.items()},
                   {"mask": [net.sources, 2, BINS, 2]} | {f"next_{n}": s for n, s in states.items()})


def load_onnx(path: Path) -> Net:
    """The network whose weights stand in an exported file, by initialisers' names."""
    weights = initialisers(path)
    layers = sum(n.endswith("_wx") for n in weights)
    sources = weights["out3_w"].shape[1] // (2 * TRIANGLES_A_BAND)
    task = next(t for t, s in TASKS.items() if len(s) == sources)
    net = Net(task, Size(weights["step_b"].shape[1], layers))
    with torch.no_grad():
        for name, value in net.named_parameters():
            value.copy_(torch.from_numpy(weights[name].copy()))
    return net


def load(path: Path, raw: bool = False) -> tuple[Net, str | None]:
    """A net from a trainer's `.pt` (averaged weights unless `raw`) or a folder with `model.onnx`,
    and the name of its mode where that is known."""
    if path.suffix != ".pt":
        return load_onnx(path / "model.onnx"), None
    saved = torch.load(path, map_location="cpu", weights_only=False)
    net = Net(saved["task"], Size.parse(saved["size"]))
    net.load_state_dict(saved["net" if raw else "ema"])
    return net, saved["mode"]


class Stepper(Steps):
    """Masks of whole spectra by a graph of one frame."""

    def masks(self, spec: np.ndarray) -> np.ndarray:
        """`[S, 2, frames, 961]` complex64 of `[2, frames, 961]` complex64."""
        pairs = np.ascontiguousarray(spec.transpose(1, 0, 2)).view(np.float32).reshape(spec.shape[1], 2, BINS, 2)
        out = []
        for frame in pairs:
            got = dict(zip(self.names, self.session.run(None, {"spectrum": frame} | self.state)))
            out.append(got.pop("mask"))
            self.state = {"state_" + n.removeprefix("next_"): v for n, v in got.items()}
        return np.ascontiguousarray(np.stack(out, 2)).view(np.complex64)[..., 0]


def parity_input(frames: int, seed: int = 7) -> np.ndarray:
    """Deterministic spectra `[2, frames, 961]` complex64: half-correlated noise of changing level
    with a frame of silence."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3, frames, BINS, 2))
    x = (x[:2] + x[2]) * 1e-3 * 10 ** (rng.uniform(-1.5, 0.5, (1, frames, 1, 1)) - np.linspace(0, 2, BINS)[:, None])
    x[:, frames // 3] = 0
    return np.ascontiguousarray(x.astype(np.float32)).view(np.complex64)[..., 0]


@torch.no_grad()
def torch_masks(net: Net, mode: Mode, spec: np.ndarray) -> np.ndarray:
    """`[S, 2, frames, 961]` complex64 by PyTorch."""
    return full_mask(*net(torch.from_numpy(spec)[None], level_keep(mode)))[0].numpy()


def parity(net: Net, mode: Mode, model: onnx.ModelProto, frames: int = 300) -> float:
    """Largest difference of masks between PyTorch and onnxruntime over `frames` frames, with
    the states reset before the frame in the middle."""
    x, half = parity_input(frames), frames // 2
    step, worst = Stepper(model.SerializeToString()), 0.0
    for part in (x[:, :half], x[:, half:]):
        step.reset()
        worst = max(worst, float(np.abs(step.masks(part) - torch_masks(net, mode, part)).max()))
    return worst


def write(net: Net, mode: Mode, folder: Path, figures: dict | None = None) -> float:
    """Writes `model.onnx`, `manifest.toml` and `parity/` into `folder`; returns the parity
    error, and refuses to write when it is over the tolerance."""
    model = build(net.eval(), mode)
    error = parity(net, mode, model)
    if not error < TOLERANCE:
        raise ValueError(f"PyTorch and onnxruntime differ by {error:.2e}, over {TOLERANCE}: do not ship this graph")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    x = parity_input(PARITY_FRAMES)
    masks = [torch_masks(net, mode, part) for part in (x[:, :PARITY_RESET], x[:, PARITY_RESET:])]
    (folder / "parity").mkdir(exist_ok=True)
    # frame by frame, as a runner sees them
    x.transpose(1, 0, 2).astype("<c8").tofile(folder / "parity" / "spectrum.f32")
    np.concatenate(masks, 2).transpose(2, 0, 1, 3).astype("<c8").tofile(folder / "parity" / "mask.f32")
    write_manifest(net, mode, folder, figures)
    return error


def write_manifest(net: Net, mode: Mode, folder: Path, figures: dict | None = None) -> None:
    """Writes `manifest.toml` for the `model.onnx` in `folder`."""
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    rest = "other" if net.task == "stems" else "rest"
    (window, hop), kind = mode.samples(), "sqrt-hann" if mode.kind == "sqrt-hann" else "asymmetric"
    name = net.task.capitalize() + (", low latency" if mode.name == "low" else "")
    lines = [
        f'id = "{model_id(net.task, mode)}"', f'name = "{name}"', f'version = "{VERSION}"', f'task = "{net.task}"',
        'authors = "Plainsong contributors"', f'license = "{LICENSE}"',
        f"sources = {json.dumps(list(TASKS[net.task]))}", f'rest = "{rest}"', f"rate = {RATE}",
        'file = "model.onnx"', f'sha256 = "{digest}"', "",
        "[frame]", f"window = {window}", f"hop = {hop}", f'analysis = "{kind}"', f'synthesis = "{kind}"',
        *([f"synthesis_window = {RATE * mode.synthesis_ms // 1000}"] if mode.synthesis_ms != mode.window_ms else []),
        'scale = "amplitude"', "",
        "[[inputs]]", 'name = "spectrum"', f"shape = [2, {BINS}, 2]", 'holds = "spectrum"', "",
        "[[outputs]]", 'name = "mask"', f"shape = [{net.sources}, 2, {BINS}, 2]", 'holds = "mask"', "",
    ]
    for k, s in net.state_shapes().items():
        lines += ["[[states]]", f'name = "{k}"', f"shape = {s}", ""]
    lines += ["# parity/: one file a tensor, little-endian f32 [frames, ...];",
              "# all states are set to zero before frame 0 and before frame `reset`.",
              "[parity]", f"frames = {PARITY_FRAMES}", f"reset = {PARITY_RESET}", f"tolerance = {TOLERANCE:g}", ""]
    if figures:
        lines += ["[figures]"] + [f"{k} = {json.dumps(v)}" for k, v in figures.items()] + [""]
    (folder / "manifest.toml").write_text("\n".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, help="a trainer's .pt; its averaged weights are taken")
    parser.add_argument("--raw", action="store_true", help="the last weights, not the averaged")
    parser.add_argument("--random", action="store_true", help="random weights, to try a framework")
    parser.add_argument("--task", choices=TASKS, default="stems", help="with --random")
    parser.add_argument("--size", type=Size.parse, default=Size(), help="with --random")
    parser.add_argument("--mode", choices=MODES, help="the checkpoint's by default")
    parser.add_argument("--out", type=Path, help="folder; models/<id> by default")
    args = parser.parse_args()
    if args.random:
        torch.manual_seed(1)
        net, name = Net(args.task, args.size), "standard"
    elif args.checkpoint:
        net, name = load(args.checkpoint, args.raw)
    else:
        parser.error("give --checkpoint or --random")
    mode = MODES[args.mode or name or "standard"]
    folder = args.out or ROOT / "models" / model_id(net.task, mode)
    error = write(net, mode, folder)
    count = sum(p.numel() for p in net.parameters())
    print(f"{folder}: {count} parameters, stems {', '.join(STEMS) if net.task == 'stems' else 'voice, rest'}, "
          f"parity error {error:.1e}")


if __name__ == "__main__":
    main()
