"""Writes the network as an ONNX graph of one 10 ms frame, with manifest and parity vectors.

    python -m training.events.export --checkpoint training/runs/events/last.pt
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto

from ..common import manifest
from ..common.graph import Graph, Steps, initialisers
from ..denoise.export import LICENSE, VERSION, parity_input
from ..denoise.frames import BINS, STANDARD
from .mix import KINDS
from .net import (BAND_HZ, BANDS, FEATURES, HIDDEN, LAGS, LATER, LATER_S, LEVEL_FLOOR, LEVEL_SECONDS, POWER_EPS, QUICK_S, SCALE,
                  SETTLING, SHIFT, SLOW_S, USUAL_S, WIDE, WIDE_HZ, Net, features, keep, level_weights, triangles)

ROOT = Path(__file__).parents[2]
ID = "events"
PARITY_FRAMES, PARITY_RESET, TOLERANCE = 24, 12, 1e-4
INPUTS, OUTPUTS = {"power": [1, BINS]}, {"now": [1, len(KINDS)], "late": [1, len(KINDS)]}
STATES = {"level": [1, 2], "quick": [1, BINS], "slow": [1, BINS], "usual": [1, BANDS], "spread": [1, BANDS], "h": [1, HIDDEN],
          "said": [1, LATER * len(KINDS)]}


def build(net: Net) -> onnx.ModelProto:
    """The graph of one frame of `net`."""
    g = Graph()
    w = {k: v.detach().cpu().numpy() for k, v in net.named_parameters()}
    scalar = lambda name, value: g.const(name, [[value]])  # noqa: E731

    mean = g.op("MatMul", g.op("Sqrt", g.op("Sqrt", "power")), g.const("level_w", level_weights()[:, None]))
    active = g.op("Cast", g.op("Greater", mean, scalar("level_floor", LEVEL_FLOOR)), to=TensorProto.FLOAT)
    rate = 1 - keep(LEVEL_SECONDS)
    step = g.op("Mul", active, scalar("level_rate", rate))
    aim = g.op("Concat", mean, scalar("one", 1.0), axis=1)
    level = g.op("Add", "state_level", g.op("Mul", step, g.op("Sub", aim, "state_level")), out="next_level")
    gain = g.op("Div", g.cut(level, 1, 2, 1), g.op("Max", g.cut(level, 0, 1, 1), scalar("level_least", rate * LEVEL_FLOOR)))
    gain = g.op("Mul", gain, gain)
    x = g.op("Add", g.op("Mul", "power", g.op("Mul", gain, gain)), scalar("power_eps", POWER_EPS))
    base = scalar("log_eps", np.log(POWER_EPS))
    log = g.op("Sub", g.op("Log", x), base)

    def smoothed(x: str, name: str, seconds: float) -> str:
        moved = g.op("Mul", g.op("Sub", x, f"state_{name}"), scalar(f"{name}_rate", 1 - keep(seconds)))
        return g.op("Add", f"state_{name}", moved, out=f"next_{name}")

    flux = g.op("Abs", g.op("Sub", log, smoothed(log, "quick", QUICK_S)))
    slow = smoothed(log, "slow", SLOW_S)
    left, mid, right = (g.cut(slow, a, BINS - 2 + a, 1) for a in range(3))
    bend = g.op("Abs", g.op("Sub", g.op("Add", left, right), g.op("Add", mid, mid)))
    wide, bands = triangles(WIDE, *WIDE_HZ), triangles(BANDS, *BAND_HZ)
    sums = g.op("Log", g.op("MatMul", x, g.const("sums", np.concatenate([bands, wide], 1))))
    sums = g.op("Sub", sums, base)
    wide_name = g.const("wide", wide)
    peaked = g.op("Sub", g.cut(sums, BANDS, BANDS + WIDE, 1), g.op("MatMul", log, wide_name))
    bend = g.op("MatMul", bend, g.const("wide_inner", wide[1:-1]))
    loud = g.cut(sums, 0, BANDS, 1)
    apart = g.op("Sub", loud, smoothed(loud, "usual", USUAL_S))
    spread = smoothed(g.op("Abs", apart), "spread", USUAL_S)
    f = g.op("Concat", loud, apart, spread, peaked, g.op("MatMul", flux, wide_name), bend, axis=1)
    # Scale and shift of the features are folded into the first layer.
    first_w = w["first.weight"].T * SCALE[:, None]
    first_b = w["first.bias"] + SHIFT @ w["first.weight"].T
    x = g.op("Relu", g.op("Add", g.op("MatMul", f, g.const("first_w", first_w)), g.const("first_b", first_b[None])))
    h, n = "state_h", HIDDEN
    # The reset gate's bias on the candidate stays apart; all others join.
    bias = w["gru.bias_ih_l0"] + np.concatenate([w["gru.bias_hh_l0"][: 2 * n], np.zeros(n, np.float32)])
    gx = g.op("Add", g.op("MatMul", x, g.const("gru_wx", w["gru.weight_ih_l0"].T)), g.const("gru_bx", bias[None]))
    gh = g.op("MatMul", h, g.const("gru_wh", w["gru.weight_hh_l0"].T))
    rz = g.op("Sigmoid", g.op("Add", g.cut(gx, 0, 2 * n, 1), g.cut(gh, 0, 2 * n, 1)))
    turned = g.op("Add", g.cut(gh, 2 * n, 3 * n, 1), g.const("gru_bn", w["gru.bias_hh_l0"][None, 2 * n :]))
    new = g.op("Tanh", g.op("Add", g.cut(gx, 2 * n, 3 * n, 1), g.op("Mul", g.cut(rz, 0, n, 1), turned)))
    h = g.op("Add", new, g.op("Mul", g.cut(rz, n, 2 * n, 1), g.op("Sub", h, new)), out="next_h")
    kinds = len(KINDS)
    y = g.op("MatMul", g.op("Concat", h, x, axis=1), g.const("last_w", w["last.weight"].T))
    now = g.op("Sigmoid", g.op("Add", y, g.const("last_b", w["last.bias"][None])), out="now")
    said = g.op("Concat", now, "state_said", axis=1)
    g.cut(said, 0, LATER * kinds, 1, out="next_said")
    # The weights of the lags lie where the delay line has them: one product in place of a dozen cuts.
    settle_w = np.zeros((HIDDEN + (LATER + 1) * kinds, SETTLING), np.float32)
    settle_w[:HIDDEN] = w["settle.weight"].T[:HIDDEN]
    for i, lag in enumerate(LAGS):
        settle_w[HIDDEN + lag * kinds : HIDDEN + (lag + 1) * kinds] = w["settle.weight"].T[HIDDEN + i * kinds : HIDDEN + (i + 1) * kinds]
    y = g.op("MatMul", g.op("Concat", h, said, axis=1), g.const("settle_w", settle_w))
    y = g.op("Relu", g.op("Add", y, g.const("settle_b", w["settle.bias"][None])))
    y = g.op("MatMul", y, g.const("settled_w", w["settled.weight"].T))
    g.op("Sigmoid", g.op("Add", y, g.const("settled_b", w["settled.bias"][None])), out="late")
    return g.model(ID, INPUTS | {f"state_{k}": s for k, s in STATES.items()}, OUTPUTS | {f"next_{k}": s for k, s in STATES.items()})


def load_onnx(path: Path) -> Net:
    """The network whose weights stand in an exported file, by initialisers' names."""
    found = {k: v.copy() for k, v in initialisers(path).items()}
    net, n = Net(), HIDDEN
    first = (found["first_w"] / SCALE[:, None]).T
    rows = [*range(n), *(n + lag * len(KINDS) + k for lag in LAGS for k in range(len(KINDS)))]
    hidden = np.concatenate([np.zeros(2 * n, np.float32), found["gru_bn"][0]])
    values = {
        "first.weight": first, "first.bias": found["first_b"][0] - first @ SHIFT,
        "gru.weight_ih_l0": found["gru_wx"].T, "gru.weight_hh_l0": found["gru_wh"].T,
        "gru.bias_ih_l0": found["gru_bx"][0], "gru.bias_hh_l0": hidden,
        "last.weight": found["last_w"].T, "last.bias": found["last_b"][0],
        "settle.weight": found["settle_w"].T[:, rows], "settle.bias": found["settle_b"][0],
        "settled.weight": found["settled_w"].T, "settled.bias": found["settled_b"][0],
    }
    net.load_state_dict({k: torch.from_numpy(np.ascontiguousarray(v, np.float32)) for k, v in values.items()})
    return net


def run(net: Net, power: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs `[T, 3]` by name of `power` `[T, 481]` from zero states."""
    net.eval()
    with torch.no_grad():
        y = torch.sigmoid(net(torch.from_numpy(features(power[None]))))[0].numpy()
    return {"now": y[:, : len(KINDS)], "late": y[:, len(KINDS) :]}


def probe(frames: int) -> np.ndarray:
    """Deterministic power spectra `[frames, 481]`."""
    return np.square(parity_input(frames)).sum(-1)


def parity(net: Net, model: onnx.ModelProto, frames: int = 300) -> float:
    """Largest difference between PyTorch and onnxruntime over `frames` steps, with a reset in the middle."""
    power, half, step, worst = probe(frames), frames // 2, Steps(model.SerializeToString()), 0.0
    for part in (power[:half], power[half:]):
        step.reset()
        got, want = step({"power": part}), run(net, part)
        worst = max(worst, *(float(np.abs(got[k] - want[k]).max()) for k in OUTPUTS))
    return worst


def write(net: Net, folder: Path, figures: dict | None = None) -> float:
    """Writes `model.onnx`, `manifest.toml` and `parity/` into `folder`; returns the parity error, and refuses to
    write when it is too large."""
    model = build(net.eval())
    error = parity(net, model)
    if error >= TOLERANCE:
        raise ValueError(f"PyTorch and onnxruntime differ by {error:.2e}")
    (folder / "parity").mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    power = probe(PARITY_FRAMES)
    power.astype("<f4").tofile(folder / "parity" / "power.f32")
    rows = [run(net, part) for part in (power[:PARITY_RESET], power[PARITY_RESET:])]
    for name in OUTPUTS:
        np.concatenate([r[name] for r in rows]).astype("<f4").tofile(folder / "parity" / f"{name}.f32")
    write_manifest(folder, figures)
    return error


def write_manifest(folder: Path, figures: dict | None = None) -> None:
    """Writes `manifest.toml` for the `model.onnx` in `folder`."""
    lines = [
        *manifest.card(ID, "Events", VERSION, "events", LICENSE),
        f"window_ms = {STANDARD.window_ms}", f"hop_ms = {STANDARD.hop_ms}", f'window = "{STANDARD.kind}"',
        f"bins = {BINS}", "bin_hz = 50", f"kinds = {json.dumps(list(KINDS))}", f"late_ms = {round(LATER_S * 1000)}",
        *manifest.weights(folder), *manifest.tensors({"inputs": INPUTS, "outputs": OUTPUTS, "states": STATES}),
        *manifest.parity(PARITY_FRAMES, PARITY_RESET, TOLERANCE),
    ]
    manifest.write(folder, lines, figures)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True, help="a trainer's file; its averaged weights are taken")
    parser.add_argument("--out", type=Path, default=ROOT / "models" / ID)
    args = parser.parse_args()
    net = Net()
    net.load_state_dict(torch.load(args.checkpoint, map_location="cpu", weights_only=False)["ema"])
    error = write(net, args.out)
    print(f"{args.out}: {sum(p.numel() for p in net.parameters())} parameters, {FEATURES} features, parity error {error:.1e}")


if __name__ == "__main__":
    main()
