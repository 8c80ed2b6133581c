"""Trains a model; the same command goes on where it stopped.

    python -m training.denoise.train --mode standard --minutes 130
    python -m training.denoise.train --mode low --minutes 90 --init training/runs/standard/last.pt

The rate is constant and falls to zero as a half cosine over the last part of `--minutes`
(training time, kept in the checkpoint). `--minutes` may be raised before a run goes on.
"""

import argparse

import numpy as np
import torch

from ..common.place import RUNS
from ..common.trainer import Plan, Trainer, arguments, last_of, prepare_process
from .export import load_onnx
from .frames import MODES
from .loss import loss_terms
from .mix import Mixer, Store
from .net import Net, level_keep

AVERAGE = 0.9995
GRADIENT_NORM = 0.1


def pairs(z: np.ndarray, device) -> torch.Tensor:
    """Complex `[...]` to real `[..., 2]`."""
    return torch.view_as_real(torch.from_numpy(z)).to(device)


def run_in(rng, x: torch.Tensor, net: Net) -> torch.Tensor:
    """Level states `[B, 2]`: half of the segments begin a stream, half continue one whose
    level was up to 8 dB off."""
    e = x.square().sum(-1)
    p = torch.cat([e[..., :96], e[..., 96:] @ net.merge], -1).sqrt().sqrt() @ net.level_w
    s = p.mean(1) * torch.from_numpy(10 ** rng.uniform(-0.2, 0.2, len(x))).to(x)
    state = torch.stack([s, torch.ones_like(s)], -1)
    return state * torch.from_numpy((rng.random(len(x)) < 0.5)[:, None]).to(x)


def batch_loss(net, mode, mixer, count, device, rng=None):
    x, s, top = mixer.batch(count)
    x, s, top = pairs(x, device), pairs(s, device), torch.from_numpy(top).to(device)
    state = None
    if rng is not None:
        state = {"level": run_in(rng, x, net)}
    mask, gain = net(x, level_keep(mode), start=state)
    return loss_terms(mask, gain, x, s, top), (x, s, mask, gain)


@torch.no_grad()
def validate(net, mode, store, device, count=60) -> dict:
    """Loss terms and the segments' SNR gain in dB on fixed mixtures of held-out talkers,
    noises and rooms."""
    mixer = Mixer(store, mode, 2.0, seed=99)
    sums, gains = {}, []
    for _ in range(count // 2):
        terms, (x, s, mask, gain) = batch_loss(net, mode, mixer, 2, device)
        for k, v in terms.items():
            sums[k] = sums.get(k, 0) + float(v)
        z, t, m = (torch.view_as_complex(v.contiguous()) for v in (x, s, mask))
        y = z * torch.cat([m, gain.to(z.dtype)], 2)
        for a, b, c in zip(z, t, y):
            power = b.abs().square().sum()
            if power > 1e-6 and (a - b).abs().square().sum() > power * 1e-4:
                gains.append(float(10 * torch.log10((a - b).abs().square().sum() / (c - b).abs().square().sum())))
    out = {k: round(v / (count // 2), 6) for k, v in sums.items()}
    out["loss"] = round(sum(out.values()), 6)
    out["snr_gain_db"] = round(float(np.mean(gains)), 3)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments(parser, minutes=130, rate=2e-3, batch=2, seconds=2.0)
    parser.add_argument("--mode", choices=MODES, default="standard")
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    prepare_process(args.seed)
    mode, device = MODES[args.mode], args.device
    folder = RUNS / (args.name or args.mode)
    saved = last_of(folder)
    if saved:
        net = Net(saved["blocks"])
        net.load_state_dict(saved["net"])
    elif args.init and args.init.suffix == ".pt":
        first = torch.load(args.init, map_location="cpu", weights_only=False)
        net = Net(first["blocks"])
        net.load_state_dict(first["ema"])
    elif args.init:
        net = load_onnx(args.init / "model.onnx")
    else:
        net = Net(args.blocks)
    while net.blocks < args.blocks:
        net.grow()
        saved = saved and {**saved, "optimiser": None, "ema": net.state_dict()}
    net.to(device)
    trainer = Trainer(net, folder, Plan.of(args, average=AVERAGE, norm=GRADIENT_NORM, every=100), saved)

    seed = args.seed * 1_000_003 + trainer.step
    rng = np.random.default_rng(seed)
    mixer = Mixer(Store("train"), mode, args.seconds, seed)
    valid = Store("valid")
    trainer.run(lambda: batch_loss(net, mode, mixer, args.batch, device, rng)[0], args.batch * args.seconds / 3600,
                lambda: validate(net, mode, valid, device), blocks=net.blocks, mode=mode.name, args=vars(args))


if __name__ == "__main__":
    main()
