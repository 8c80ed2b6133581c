"""Fast tests of the events model's training on generated audio: no data set is needed."""

import numpy as np
import pytest
import torch

from training.common.graph import Steps
from training.denoise.frames import BINS, RATE
from training.denoise.prepare import LEVEL, room_spectra, shoebox
from training.events.evaluate import BLOCK, Count, blocks
from training.events.export import build, load_onnx, parity, probe, run, write
from training.events.mix import KINDS, Programmes, Recipe
from training.events.net import LATER, Net, features
from training.events.train import loss_terms, targets


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(3)


class Made:
    """A store of generated sounds: a buzzing voice, chords, noise."""

    def __init__(self):
        rng, t = np.random.default_rng(1), np.arange(20 * RATE) / RATE
        voice = np.sign(np.sin(2 * np.pi * 140 * t)) * (np.sin(2 * np.pi * 3 * t) > -0.3)
        music = sum(np.sin(2 * np.pi * f * t) for f in (220, 277, 330))
        self.audio = {k: (x * 32768 * LEVEL / np.sqrt(np.mean(x * x))).clip(-32767, 32767).astype(np.int16)
                      for k, x in (("speech", voice), ("music", music), ("noise", rng.standard_normal(len(t))))}
        piece = dict(key="made", start=0, length=len(t), lang="en", category="made", band=20_000)
        self.pieces = {k: [piece] for k in self.audio}
        self.rooms = np.stack([room_spectra(shoebox(1))])


def only(*kinds: str) -> Recipe:
    return Recipe(kinds=((1.0, kinds),), floor_db=(-90.0, -80.0), room=0.0, second_talker=0.0)


def test_truth_follows_what_is_mixed():
    for kinds in (("speech",), ("music",), ("noise",)):
        truth = np.concatenate([Programmes(Made(), 4.0, s, recipe=only(*kinds)).programme_segment().truth for s in range(4)])
        for i, kind in enumerate(KINDS):
            assert (truth[:, i] == 1).mean() > 0.4 if kind in kinds else (truth[:, i] == 0).all(), (kinds, kind)


def test_what_is_buried_is_not_told_as_there():
    recipe = Recipe(kinds=((1.0, ("speech", "music")),), turns=0.0, music_db=(-60.0, -60.0), room=0.0)
    truth = np.concatenate([Programmes(Made(), 4.0, s, recipe=recipe).programme_segment().truth for s in range(4)])
    speaks = truth[:, 0] == 1
    assert speaks.any() and (truth[speaks, 1] != 1).all()


def test_pauses_of_the_talker_are_not_speech():
    mixer = Programmes(Made(), 6.0, 5, recipe=only("speech"))
    mixer.stretches = lambda *_: np.arange(mixer.need) < 3 * RATE
    sounds = mixer.speech_layer().sounds
    assert sounds[20:280].all() and not sounds[310:].any()


def test_features_do_not_depend_on_level():
    power = probe(80)[None] * 1e2
    a, b = features(power), features(power * 1e3)
    assert np.abs(a - b).max() < 1e-2


def test_graph_is_the_network(tmp_path):
    net = Net()
    assert parity(net, build(net)) < 1e-4
    write(net, tmp_path)
    again = load_onnx(tmp_path / "model.onnx")
    power = probe(50)
    for name, want in run(net, power).items():
        assert np.abs(run(again, power)[name] - want).max() < 1e-5


def test_silence_and_full_scale_are_finite():
    step = Steps(build(Net()).SerializeToString())
    power = np.zeros((30, BINS), np.float32)
    power[10:20] = 1.0
    got = step({"power": power})
    assert all(np.isfinite(v).all() for v in got.values())


def test_late_head_is_asked_for_what_was():
    truth = torch.zeros(1, 200, 3, dtype=torch.int64)
    truth[:, 100:] = 1
    aim = targets(truth)
    assert (aim[0, :LATER, 3:] == -1).all() and aim[0, 100 + LATER - 1, 3] == 0 and aim[0, 100 + LATER, 3] == 1
    sure = torch.where(aim > 0, 20.0, -20.0)
    assert sum(loss_terms(sure, truth).values()) < 1e-6
    assert sum(loss_terms(-sure, truth).values()) > 8


def test_training_lowers_the_loss():
    mixer, net = Programmes(Made(), 3.0, 1), Net().eval()
    power, truth = mixer.programmes(6)
    x, truth = torch.from_numpy(features(power)), torch.from_numpy(truth).to(torch.int64)
    optimiser, seen = torch.optim.Adam(net.parameters(), 5e-3), []
    for _ in range(20):
        loss = sum(loss_terms(net(x), truth).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seen.append(float(loss.detach()))
    assert seen[-1] < 0.5 * seen[0]


def test_blocks_and_counts():
    truth, said = np.zeros((4 * BLOCK, 3), int), np.zeros((4 * BLOCK, 3))
    truth[BLOCK : 2 * BLOCK], truth[2 * BLOCK : 3 * BLOCK], said[BLOCK:] = 1, -1, 0.9
    p, t = blocks(said, truth)
    assert (t[:, 0] == [0, 1, -1, 0]).all() and (p[:, 0] == [False, True, True, True]).all()
    count = Count()
    count.add(p[:, 0], t[:, 0])
    assert (count.n == [1, 1, 0, 1]).all() and abs(count.f1 - 2 / 3) < 1e-9
