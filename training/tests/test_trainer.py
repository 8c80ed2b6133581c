"""The loop that all trainings share, on a net of four weights."""

import argparse
import json

import pytest
import torch

from training.common.trainer import Plan, Trainer, arguments, last_of

PLAN = Plan(minutes=1.0, clock="wall", decay=0.4, rate=0.01, save_minutes=100, average=0.9, norm=1.0, every=2)


class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor([[3.0], [-2.0]]))
        self.wb = torch.nn.Parameter(torch.zeros(1))


def loss(net: Line) -> dict:
    return {"slope": net.w.square().sum(), "offset": (net.wb - 1).square().sum()}


def test_a_run_that_stops_and_goes_on_equals_one_that_does_not(tmp_path):
    whole = Trainer(Line(), tmp_path / "whole", PLAN)
    for _ in range(12):
        whole.advance(lambda: loss(whole.net), 0.5)
    first = Trainer(Line(), tmp_path / "parts", PLAN)
    for _ in range(5):
        first.advance(lambda: loss(first.net), 0.5)
    first.save(more=7)
    saved = last_of(tmp_path / "parts")
    net = Line()
    net.load_state_dict(saved["net"])
    second = Trainer(net, tmp_path / "parts", PLAN, saved)
    for _ in range(7):
        second.advance(lambda: loss(net), 0.5)
    assert saved["more"] == 7 and second.step == 12 and second.audio == 6.0
    assert torch.equal(net.w, whole.net.w) and all(torch.equal(second.ema[k], whole.ema[k]) for k in whole.ema)
    assert loss(net)["slope"].item() < 13.0


def test_the_rate_rises_stays_and_falls_to_zero(tmp_path):
    t = Trainer(Line(), tmp_path, PLAN)
    assert t.rate() == pytest.approx(0.01 / 200)
    t.step = 500
    assert t.rate() == 0.01
    t.spent = 36.0
    assert t.rate() == pytest.approx(0.01)
    t.spent = 48.0
    assert t.rate() == pytest.approx(0.005)
    t.spent = 60.0
    assert t.rate() == pytest.approx(0.0)


def test_a_run_ends_with_its_minutes_and_validates_averaged_weights(tmp_path):
    t = Trainer(Line(), tmp_path, PLAN)
    t.clock = iter(range(0, 10_000, 10)).__next__
    seen = []
    t.run(lambda: loss(t.net), 0.5, lambda: seen.append(t.net.w.clone()) or {"figure": 1}, task="line")
    assert t.step == 6 and t.spent == 60.0 and last_of(tmp_path)["task"] == "line"
    assert torch.equal(seen[0], t.ema["w"]) and not torch.equal(t.net.w, t.ema["w"])
    rows = [json.loads(line) for line in open(tmp_path / "log.jsonl")]
    assert [r["step"] for r in rows] == [2, 4, 6, 6] and rows[-1]["valid"] == {"figure": 1}
    assert rows[0]["train"]["loss"] == pytest.approx(rows[0]["train"]["slope"] + rows[0]["train"]["offset"])


def test_a_gradient_that_is_not_finite_moves_nothing(tmp_path):
    t = Trainer(Line(), tmp_path, PLAN)
    before = t.net.w.clone()
    t.advance(lambda: {"bad": (t.net.w * float("nan")).sum()}, 0.5)
    assert torch.equal(t.net.w, before) and t.step == 1


def test_matrices_decay_and_vectors_do_not(tmp_path):
    groups = Trainer(Line(), tmp_path, PLAN).optimiser.param_groups
    assert [(len(g["params"]), g["weight_decay"]) for g in groups] == [(1, 0.01), (1, 0.0)]


def test_shared_arguments_have_the_trainings_defaults():
    parser = argparse.ArgumentParser()
    arguments(parser, minutes=3, rate=1e-3, batch=5, seconds=2.5, clock="cpu")
    args = parser.parse_args(["--decay", "0.2"])
    assert (args.minutes, args.clock, args.decay, args.batch, args.seconds) == (3, "cpu", 0.2, 5, 2.5)
    assert Plan.of(args, average=0.5, norm=1.0).decay == 0.2
