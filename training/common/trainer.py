"""The loop that all trainings share: optimiser, learning rate, averaged weights, log and checkpoints.

A run lies in a folder: `last.pt` with which it goes on where it stopped, and `log.jsonl`. The rate is
constant and falls to zero as a half cosine over the last part of the run's minutes, which may be raised
before it goes on. Time is only counted in steps, so a stopped process costs nothing.
"""

import argparse
import json
import math
import os
import signal
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from .memory import keep_memory

BETAS = (0.9, 0.99)
WEIGHT_DECAY = 0.01
"""Of matrices; biases and scales have none."""
WARM_UP = 200
"""Steps in which the rate rises."""


@dataclass(frozen=True)
class Plan:
    """What a training sets: `minutes` in all by `clock` ("wall" or "cpu"), `decay` (share of them in which the rate
    falls), `rate`, `average` (share of the averaged weights kept a step), `norm` (of gradients, at most), `every`
    (steps a line of the log), `pause` (seconds: a step that took longer was interrupted), `save_minutes`."""

    minutes: float
    clock: str
    decay: float
    rate: float
    save_minutes: float
    average: float
    norm: float
    every: int = 50
    pause: float = 30.0

    @staticmethod
    def of(args: argparse.Namespace, **more) -> "Plan":
        """From the arguments of `arguments`, and what has none."""
        return Plan(args.minutes, args.clock, args.decay, args.rate, args.save_minutes, **more)


def arguments(parser: argparse.ArgumentParser, *, minutes: float, rate: float, batch: int, seconds: float, clock: str = "wall",
              save_minutes: float = 4) -> None:
    """Adds the options that all trainings have, with a training's own defaults."""
    parser.add_argument("--name", help="folder under training/runs")
    parser.add_argument("--minutes", type=float, default=minutes, help="training time in all")
    parser.add_argument("--clock", choices=("wall", "cpu"), default=clock,
                        help="what --minutes counts; cpu suits a run in the background of others")
    parser.add_argument("--decay", type=float, default=0.4, help="share of it in which the rate falls")
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--batch", type=int, default=batch, help="segments a step")
    parser.add_argument("--seconds", type=float, default=seconds, help="of a segment")
    parser.add_argument("--init", type=Path, help="weights to begin with: a run's .pt or a folder with model.onnx")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save-minutes", type=float, default=save_minutes)


def prepare_process(seed: int, device: str = "cpu") -> None:
    """Threads, denormals, memory and PyTorch's seed."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    torch.set_flush_denormal(True)
    if device == "cpu":
        keep_memory()
    torch.manual_seed(seed)


def last_of(folder: Path) -> dict | None:
    """The checkpoint in a run's folder, or None."""
    path = folder / "last.pt"
    return torch.load(path, map_location="cpu", weights_only=False) if path.exists() else None


def begin(net: torch.nn.Module, saved: dict | None, args: argparse.Namespace, load_onnx: Callable[[Path], torch.nn.Module]):
    """The network that a run goes on with: the last of the run, or else what `--init` names, a folder with a `model.onnx` or
    a trainer's file of which the averaged weights are taken, or `net` as it is."""
    if saved:
        net.load_state_dict(saved["net"])
    elif args.init and args.init.is_dir():
        net = load_onnx(args.init / "model.onnx")
    elif args.init:
        net.load_state_dict(torch.load(args.init, map_location="cpu", weights_only=False)["ema"])
    return net


class Trainer:
    """A run of `net` in `folder`; `saved` is the checkpoint that it goes on from. `step`, `audio` (hours),
    `spent` (seconds) and `cpu` (seconds of the process) count from the run's beginning."""

    def __init__(self, net: torch.nn.Module, folder: Path, plan: Plan, saved: dict | None = None):
        folder.mkdir(parents=True, exist_ok=True)
        self.net, self.folder, self.plan, saved = net, folder, plan, saved or {}
        device = next(net.parameters()).device
        self.ema = {k: v.clone().to(device) for k, v in (saved.get("ema") or net.state_dict()).items()}
        self.params = list(net.named_parameters())
        flat = [p for n, p in self.params if p.ndim == 1 or n.endswith("b")]
        deep = [p for n, p in self.params if not (p.ndim == 1 or n.endswith("b"))]
        groups = [{"params": deep, "weight_decay": WEIGHT_DECAY}, {"params": flat, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=plan.rate, betas=BETAS, foreach=True)
        if saved.get("optimiser"):
            self.optimiser.load_state_dict(saved["optimiser"])
        self.step = saved.get("step", 0)
        self.spent, self.cpu, self.audio = (saved.get(k, 0.0) for k in ("spent", "cpu", "audio"))
        self.clock = time.time if plan.clock == "wall" else time.process_time
        self.seen, self.stopped = {}, False

    def rate(self) -> float:
        """The learning rate of the next step."""
        total = self.plan.minutes * 60
        left = (total - self.spent) / (total * self.plan.decay)
        return self.plan.rate * min(1.0, (self.step + 1) / WARM_UP) * (0.5 - 0.5 * math.cos(math.pi * min(1.0, left)))

    def advance(self, terms, hours: float) -> None:
        """One step on the sum of the loss terms that `terms()` gives, made of `hours` of audio."""
        rate = self.rate()
        for g in self.optimiser.param_groups:
            g["lr"] = rate
        before = self.clock()
        got = terms()
        loss = sum(got.values())
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.plan.norm)
        if math.isfinite(float(norm)):
            self.optimiser.step()
        self.step += 1
        fade = min(self.plan.average, (self.step + 1) / (self.step + 20))
        with torch.no_grad():
            torch._foreach_lerp_([self.ema[n] for n, _ in self.params], [p.data for _, p in self.params], 1 - fade)
        for k, v in (*got.items(), ("norm", norm)):
            self.seen.setdefault(k, []).append(v.detach())
        self.spent += min(self.clock() - before, self.plan.pause)
        self.audio += hours

    def row(self) -> dict:
        return {"step": self.step, "hours": round(self.audio, 3), "minutes": round(self.spent / 60, 2)}

    def means(self) -> dict:
        """Means of the loss terms since the last call, and their sum."""
        out = {k: round(float(torch.stack(v).double().mean()), 6) for k, v in self.seen.items()}
        self.seen = {}
        return out | {"loss": round(sum(v for k, v in out.items() if k != "norm"), 6)}

    def save(self, **more) -> None:
        """Writes the checkpoint, `more` with it; a stop in the midst leaves the last one."""
        state = dict(net=self.net.state_dict(), ema=self.ema, optimiser=self.optimiser.state_dict(), step=self.step,
                     spent=self.spent, cpu=self.cpu, audio=self.audio)
        torch.save(state | more, self.folder / "last.tmp")
        os.replace(self.folder / "last.tmp", self.folder / "last.pt")

    @contextmanager
    def averaged(self):
        """In it the net has its averaged weights."""
        own = {k: v.clone() for k, v in self.net.state_dict().items()}
        self.net.load_state_dict(self.ema)
        try:
            yield
        finally:
            self.net.load_state_dict(own)

    def run(self, terms, hours: float, validate, **more) -> None:
        """Steps until the minutes are spent or the process is told to end. `validate()` gives figures of the averaged
        weights; `more` goes into the checkpoints."""
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stopped", True))
        total, since, cpu = self.plan.minutes * 60, time.time(), time.process_time()
        with open(self.folder / "log.jsonl", "a") as log:

            def note(row: dict) -> str:
                line = json.dumps(row)
                log.write(line + "\n")
                log.flush()
                return line

            while self.spent < total and not self.stopped:
                self.advance(terms, hours)
                if self.step % self.plan.every == 0:
                    now = time.process_time()
                    self.cpu, cpu = self.cpu + now - cpu, now
                    note(self.row() | {"cpu_s": round(self.cpu), "rate": round(self.rate(), 6), "train": self.means()})
                if time.time() - since > self.plan.save_minutes * 60 or self.spent >= total:
                    self.save(**more)
                    with self.averaged():
                        print(note(self.row() | {"valid": validate()}), flush=True)
                    since = time.time()
        self.save(**more)
