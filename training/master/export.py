"""Writes the network as an ONNX graph of one step without state, with manifest and parity vectors.

    python -m training.master.export --checkpoint training/runs/master/last.pt
    python -m training.master.export --random       # untrained, to try a framework
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import torch

from ..common.graph import Graph, Steps
from .features import MOVES, ROOT, Places, table
from .net import CLIP, LOG_LEAST, LOG_MOST, SPREAD_LEAST, SPREAD_MOST, Net

ID, VERSION, LICENSE = "master", "0.1.0", "CC-BY-SA-4.0"
FEATURES_VERSION = 2
"""Of the list of features (`analysis::VERSION`)."""
HUGE = 1e6
"""Features beyond this, and what is no number, are taken as 0."""
PARITY_ROWS, TOLERANCE = 24, 1e-3


def build(net: Net):
    """The graph: `features` `[1, N]` to `moves` and `spread` `[1, 37]`, in dB."""
    g = Graph()
    size, seen = net.size, net.seen.numpy()

    def spread_out(values, rest):
        """Values of the seen features at their places, `rest` elsewhere, as a row."""
        row = np.full((1, size), rest, np.float32)
        row[0, seen] = values
        return row

    valid = g.op("Less", g.op("Abs", "features"), g.const("huge", [[HUGE]]))
    x = g.op("Where", valid, "features", g.const("zero", [[0.0]]))
    x = g.op("Sub", x, g.const("centre", spread_out(net.centre.numpy(), 0.0)))
    x = g.op("Mul", x, g.const("scale", spread_out(1 / net.scale.numpy(), 0.0)))
    x = g.op("Clip", x, g.const("lowest", -CLIP), g.const("highest", CLIP))
    # The first layers of all members are one product; columns of features that are not seen are zero.
    weights = np.zeros((size, net.hidden * len(net.members)), np.float32)
    bias = np.concatenate([m.one.bias.detach().numpy() for m in net.members])
    weights[seen] = np.concatenate([m.one.weight.detach().numpy().T for m in net.members], 1)
    h = g.op("Relu", g.op("Gemm", x, g.const("one_w", weights), g.const("one_b", bias)))
    means, spreads = [], []
    for i, m in enumerate(net.members):
        w = {k: v.detach().numpy() for k, v in m.named_parameters()}
        own = g.cut(h, i * net.hidden, (i + 1) * net.hidden, 1)
        two = g.op("Relu", g.op("Gemm", own, g.const(f"two{i}_w", w["two.weight"].T), g.const(f"two{i}_b", w["two.bias"])))
        out = g.op("Gemm", g.op("Add", own, two), g.const(f"out{i}_w", w["out.weight"].T), g.const(f"out{i}_b", w["out.bias"]))
        means.append(g.cut(out, 0, len(MOVES), 1))
        log = g.op("Clip", g.cut(out, len(MOVES), 2 * len(MOVES), 1), g.const("log_least", LOG_LEAST), g.const("log_most", LOG_MOST))
        spreads.append(g.op("Exp", log))
    prior = g.const("prior", net.prior.numpy()[None] / len(net.members))

    def mean(parts):
        total = parts[0]
        for part in parts[1:]:
            total = g.op("Add", total, part)
        return total

    g.op("Mul", mean(means), prior, out="moves")
    g.op("Clip", g.op("Mul", mean(spreads), prior), g.const("spread_least", SPREAD_LEAST), g.const("spread_most", SPREAD_MOST), out="spread")
    return g.model(ID, {"features": [1, size]}, {"moves": [1, len(MOVES)], "spread": [1, len(MOVES)]})


def parity_input(net: Net, seed: int = 7) -> np.ndarray:
    """Deterministic rows: near what is usual, far from it, zero, and with what is no number."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 10, (PARITY_ROWS, net.size))
    seen = net.seen.numpy()
    x[:, seen] = net.centre.numpy() + net.scale.numpy() * rng.normal(0, 1, (PARITY_ROWS, len(seen)))
    x[5:8] *= 10
    x[8] = 0
    x[9, seen[::7]] = np.nan
    x[10, seen[::5]] = np.inf
    x[11, seen[::5]] = -1e30
    return x.astype(np.float32)


def outputs(net: Net, x: np.ndarray) -> dict[str, np.ndarray]:
    """What PyTorch says to raw features."""
    x = np.where(np.abs(np.nan_to_num(x, nan=np.inf)) < HUGE, x, 0).astype(np.float32)
    with torch.no_grad():
        moves, spread = net.eval()(torch.as_tensor(x))
    return {"moves": moves.numpy(), "spread": spread.numpy()}


def parity(net: Net, model) -> float:
    """Largest difference between PyTorch and onnxruntime, dB."""
    x = parity_input(net)
    got, want = Steps(model.SerializeToString())({"features": x}), outputs(net, x)
    return max(float(np.abs(got[k] - want[k]).max()) for k in want)


def write(net: Net, folder: Path, extra: dict | None = None, figures: dict | None = None) -> float:
    """Writes `model.onnx`, `manifest.toml` and `parity/`; returns the parity error and refuses to write when it is
    too large. `extra` has arrays by move for the manifest's entries, or numbers."""
    model = build(net.eval())
    error = parity(net, model)
    if not error < TOLERANCE:
        raise ValueError(f"PyTorch and onnxruntime differ by {error:.2e}")
    (folder / "parity").mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    x = parity_input(net)
    for name, rows in ({"features": x} | outputs(net, x)).items():
        rows.astype("<f4").tofile(folder / "parity" / f"{name}.f32")
    write_manifest(folder, net, extra or {}, figures)
    return error


def write_manifest(folder: Path, net: Net, extra: dict, figures: dict | None) -> None:
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    lines = [f'id = "{ID}"', 'name = "Mastering"', f'version = "{VERSION}"', 'task = "master"',
             'authors = "Plainsong contributors"', f'license = "{LICENSE}"', f"features_version = {FEATURES_VERSION}",
             'file = "model.onnx"', f'sha256 = "{digest}"', ""]
    lines += ["[[inputs]]", 'name = "features"', f"shape = [1, {net.size}]", ""]
    for name in ("moves", "spread"):
        lines += ["[[outputs]]", f'name = "{name}"', f"shape = [1, {len(MOVES)}]", ""]
    lines += ["# In the order of the outputs. prior: standard deviation of what there was to do in training; album: how far two",
              "# songs of one album lie apart (standard deviation), which says what a reference is worth."]
    for i, name in enumerate(MOVES):
        lines += ["[[moves]]", f'name = "{name}"', 'unit = "dB"', f"prior = {net.prior[i].item():.3f}"]
        lines += [f"{k} = {np.ravel(v)[i if np.size(v) > 1 else 0]:.3f}" for k, v in extra.items()] + [""]
    lines += ["# parity/NAME.f32 of the input and the outputs: little-endian f32 [frames, ...]; there is no state.",
              "# Compare relative to max(1, the tensor's largest magnitude).",
              "[parity]", f"frames = {PARITY_ROWS}", "reset = 0", f"tolerance = {TOLERANCE}", ""]
    if figures:
        lines += ["[figures]"] + [f"{k} = {json.dumps(v)}" for k, v in figures.items()] + [""]
    (folder / "manifest.toml").write_text("\n".join(lines))


def load(path: Path) -> tuple[Net, dict]:
    """The network of a trainer's file, and the file."""
    saved = torch.load(path, map_location="cpu", weights_only=False)
    net = Net(saved["size"], saved["net"]["seen"].numpy(), saved["hidden"], saved["members"])
    net.load_state_dict(saved["net"])
    return net.eval(), saved


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--random", action="store_true", help="random weights, to try a framework")
    parser.add_argument("--out", type=Path, default=ROOT / "models" / ID)
    args = parser.parse_args()
    torch.manual_seed(1)
    extra = {}
    if args.random:
        net = Net(len(table()), Places(table()).seen).eval()
    else:
        net, saved = load(args.checkpoint)
        extra = saved.get("extra", {})
    error = write(net, args.out, extra)
    count = sum(p.numel() for p in net.parameters())
    print(f"{args.out}: {count} parameters, parity error {error:.1e}")


if __name__ == "__main__":
    main()
