"""Fast tests on generated audio: no data set is needed."""

import numpy as np
import pytest
import torch

from training.denoise.export import build, load_onnx, parity, write
from training.denoise.frames import MODES, analyse, synthesise, windows
from training.denoise.gru import gru_plain, gru_sequence
from training.denoise.loss import loss_terms
from training.denoise.mix import Mixer, Recipe
from training.denoise.net import Net, full_mask, level_keep
from training.denoise.prepare import FFT, RATE, room_spectra, shoebox

BOTH = list(MODES.values())


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(3)


@pytest.mark.parametrize("mode", BOTH, ids=lambda m: m.name)
@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_frames_give_the_signal_back(mode, rate):
    x = np.random.default_rng(1).standard_normal(rate // 2).astype(np.float32) * 0.1
    y = synthesise(analyse(np.pad(x, (0, rate // 10)), mode, rate), mode, len(x), rate)
    assert np.abs(x - y).max() < 1e-5


@pytest.mark.parametrize("mode", BOTH, ids=lambda m: m.name)
def test_windows_sum_to_one(mode):
    a, s = windows(mode)
    hop = RATE * mode.hop_ms // 1000
    assert np.allclose((a * s).reshape(-1, hop).sum(0), 1)


@pytest.mark.parametrize("size", [16, 32, 48, 64, 96])
def test_fused_gru_equals_plain(size):
    gx = torch.randn(7, 23, 3 * size, requires_grad=True)
    w = (torch.randn(size, 3 * size) * 1.7 / size**0.5).requires_grad_()
    b = torch.randn(size, requires_grad=True)
    h0 = torch.randn(7, size)
    got = []
    for f in (gru_plain, gru_sequence):
        for p in (gx, w, b):
            p.grad = None
        h = f(gx, w, b, h0)
        (h * torch.cos(5 * h)).sum().backward()
        got.append([h.detach()] + [p.grad.clone() for p in (gx, w, b)])
    for a, c in zip(*got):
        assert (a - c).abs().max() < 2e-5 * a.abs().max().clamp(min=1)


@pytest.mark.parametrize("mode", BOTH, ids=lambda m: m.name)
def test_export_equals_training_net(mode, tmp_path):
    net = Net(3)
    for p in net.parameters():
        p.data += torch.randn_like(p) * 0.05
    assert parity(net, mode, build(net, mode), frames=300) < 1e-4
    write(net, mode, tmp_path)
    back = load_onnx(tmp_path / "model.onnx")
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), back.parameters()))
    size = sum(p.stat().st_size for p in (tmp_path / "parity").iterdir())
    assert size < 200_000


def test_level_is_taken_out():
    x = torch.randn(1, 150, 481, 2) * 1e-3
    x[:, 60:70] = 0
    net, keep = Net(), level_keep(BOTH[0])
    with torch.no_grad():
        masks = [full_mask(*net(x * 10 ** (db / 20), keep)) for db in (-30, 0, 30)]
    assert (masks[0] - masks[1]).abs().max() < 1e-4
    assert (masks[2] - masks[1]).abs().max() < 1e-4


def test_silence_is_finite_and_digital_silence_keeps_the_level():
    net, keep = Net(), level_keep(BOTH[0])
    with torch.no_grad():
        mask = full_mask(*net(torch.zeros(1, 50, 481, 2), keep))
        _, _, level = net.features(torch.zeros(1, 50, 481, 2), keep, torch.tensor([[0.3, 0.9]]))
    assert torch.isfinite(mask).all() and mask.abs().max() <= 2
    assert torch.allclose(level, torch.tensor([[0.3, 0.9]]))


def test_states_carry_over():
    x = torch.randn(1, 40, 481, 2) * 1e-3
    net, keep = Net(), level_keep(BOTH[1])
    state = {k: torch.zeros(s) for k, s in net.state_shapes().items()}
    with torch.no_grad():
        want = full_mask(*net(x, keep))
        a, b, state = net(x[:, :17], keep, state)
        c, d, _ = net(x[:, 17:], keep, state)
    got = torch.cat([full_mask(a, b), full_mask(c, d)], 1)
    assert (got - want).abs().max() < 1e-4


def test_a_new_block_changes_nothing_at_first():
    x = torch.randn(2, 30, 481, 2) * 1e-3
    net, keep = Net(), level_keep(BOTH[0])
    with torch.no_grad():
        want = full_mask(*net(x, keep))
        net.grow()
        assert net.blocks == 3
        assert (full_mask(*net(x, keep)) - want).abs().max() < 1e-5


class Generated:
    """A store of generated audio: gated tones as speech, noise, two rooms."""

    def __init__(self):
        rng = np.random.default_rng(5)
        t = np.arange(8 * RATE) / RATE
        tone = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 30)) * (np.sin(7 * t) > 0)
        speech = (tone * 1500).astype(np.int16)
        noise = (rng.standard_normal(3 * RATE) * 1500).astype(np.int16)
        self.audio = {"speech": speech, "noise": noise, "music": noise}
        base = dict(start=0, band=20000)
        self.pieces = {"speech": [dict(base, key="t", length=len(speech))],
                       "noise": [dict(base, key="n", category="n", length=len(noise))],
                       "music": [dict(base, key="m", length=len(noise))]}
        self.rooms = np.stack([room_spectra(shoebox(s)) for s in (1, 2)])


@pytest.fixture(scope="module")
def store():
    return Generated()


@pytest.mark.parametrize("mode", BOTH, ids=lambda m: m.name)
def test_mixer_is_determined_by_its_seed(store, mode):
    a, b, c = (Mixer(store, mode, 1.0, seed).batch(3) for seed in (4, 4, 5))
    assert all(np.array_equal(u, v) for u, v in zip(a, b))
    assert not np.array_equal(a[0], c[0])
    assert a[0].shape == (3, 1000 // mode.hop_ms, 481) and np.isfinite(a[0]).all()


def test_clean_in_is_clean_out(store):
    recipe = Recipe(clean=1.0, noise_only=0.0, room=0.0, hiss=0.0, late_start=0.0)
    mixer = Mixer(store, BOTH[0], 1.0, 9, recipe)
    x, s, _ = mixer.batch(6)
    error = np.square(np.abs(x - s)).sum((1, 2)) / np.square(np.abs(s)).sum((1, 2))
    assert np.sort(error)[:3].max() < 1e-6 and error.max() < 1e-3


def test_early_part_of_a_room_is_short(store):
    whole, early = (np.fft.irfft(h, FFT) for h in store.rooms[0])
    assert np.square(early[RATE * 61 // 1000 :]).sum() < 1e-6
    assert abs(np.square(early).sum() - 1) < 1e-3
    assert np.allclose(whole[: RATE * 39 // 1000], early[: RATE * 39 // 1000], atol=1e-5)


def test_a_step_lowers_the_loss(store):
    net, mode = Net(), BOTH[0]
    mixer = Mixer(store, mode, 1.0, 2)
    x, s, top = mixer.batch(2)
    x, s = (torch.view_as_real(torch.from_numpy(v)) for v in (x, s))
    top = torch.from_numpy(top)
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    losses = []
    for _ in range(12):
        loss = sum(loss_terms(*net(x, level_keep(mode)), x, s, top).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
