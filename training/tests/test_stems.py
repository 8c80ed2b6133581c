"""Fast tests of the stems' training on generated audio: no data set is needed."""

import json
import sys

import numpy as np
import pytest
import torch

from training.stems import album, bank, midi, produce, score, sing
from training.stems.compare import measure
from training.stems.evaluate import classical_masks, ideal_masks, in_chunks, merged, net_masks, scores, sdr
from training.stems.export import build, load, load_onnx, parity, write
from training.stems.frames import BINS, MODES, RATE, STANDARD, analyse, synthesise, windows
from training.stems.instruments import HITS, Kit, hit_kind, key_kind, synth
from training.stems.loss import known_spectra, library, loss_terms, sums, sums_plain, together
from training.stems.mix import LEVEL, Bank, Mixer, Recipe
from training.stems.net import Net, Size, apply, full_mask, level_keep
from training.stems.train import main as train_main

BOTH = list(MODES.values())
SMALL = Size(16, 2)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(3)


def noise(frames, batch=1, scale=1e-2):
    return torch.randn(batch, 2, frames, BINS, dtype=torch.complex64) * scale


def shaken(task="stems", size=SMALL):
    net = Net(task, size)
    for p in net.parameters():
        p.data += torch.randn_like(p) * 0.05
    return net.eval()


# ---------------------------------------------------------------- framing and net

@pytest.mark.parametrize("mode", BOTH, ids=lambda m: m.name)
@pytest.mark.parametrize("rate", [16000, 44100, 48000, 96000])
def test_frames_give_the_signal_back(mode, rate):
    x = torch.randn(2, rate // 4)
    n, hop = mode.samples(rate)
    if rate > 48000:  # bins above 24 kHz are not kept
        t = torch.arange(x.shape[1]) / rate
        x = torch.sin(2 * np.pi * 3000 * t).expand(2, -1)
    y = synthesise(analyse(x, mode, rate), mode, rate)
    whole = y.shape[-1] - (n - hop)
    start = n if rate > 48000 else 0
    assert (y[..., start:whole] - x[..., start:whole]).abs().max() < (1e-3 if rate > 48000 else 1e-4)


@pytest.mark.parametrize("mode", BOTH, ids=lambda m: m.name)
def test_windows_sum_to_one_and_the_delay_is_as_stated(mode):
    a, s = windows(mode)
    n, hop = mode.samples()
    assert np.allclose((a * s).reshape(-1, hop).sum(0), 1)
    first = np.flatnonzero(np.abs(s) > 1e-12)[0]
    assert n - first <= RATE * mode.synthesis_ms // 1000


@pytest.mark.parametrize("mode", BOTH, ids=lambda m: m.name)
@pytest.mark.parametrize("task", ["stems", "dialogue"])
def test_export_equals_training_net(mode, task, tmp_path):
    net = shaken(task)
    assert parity(net, mode, build(net, mode), frames=300) < 2e-4
    write(net, mode, tmp_path)
    back = load_onnx(tmp_path / "model.onnx")
    assert back.task == task
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), back.parameters()))
    head = (tmp_path / "manifest.toml").read_text()
    assert f'task = "{task}"' in head and "window = 1920" in head and ("synthesis_window = 960" in head) == (mode.name == "low")
    assert sum(p.stat().st_size for p in (tmp_path / "parity").iterdir()) < 800_000


def test_a_graph_that_differs_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr("training.stems.export.parity", lambda *_: float("nan"))
    with pytest.raises(ValueError, match="differ"):
        write(shaken(), STANDARD, tmp_path)


def test_level_is_taken_out():
    x, net, keep = noise(120), shaken(), level_keep(STANDARD)
    with torch.no_grad():
        masks = [full_mask(*net(x * 10 ** (db / 20), keep)) for db in (-30, 0, 30)]
    assert (masks[0] - masks[1]).abs().max() < 2e-4 and (masks[2] - masks[1]).abs().max() < 2e-4


def test_silence_and_one_sided_sound_are_finite():
    net, keep = shaken(), level_keep(STANDARD)
    x = noise(30)
    x[:, 1] = 0
    with torch.no_grad():
        for z in (torch.zeros_like(x), x, torch.cat([x[:, :1], -x[:, :1]], 1)):
            mask = full_mask(*net(z, keep))
            assert torch.isfinite(torch.view_as_real(mask)).all() and mask.abs().max() < 3


def test_states_carry_over():
    x, net, keep = noise(40), shaken(), level_keep(STANDARD)
    state = {k: torch.zeros(s) for k, s in net.state_shapes().items()}
    with torch.no_grad():
        want = full_mask(*net(x, keep))
        a, b, state = net(x[:, :, :17], keep, state)
        c, d, _ = net(x[:, :, 17:], keep, state)
    got = torch.cat([full_mask(a, b), full_mask(c, d)], 3)
    assert (got - want).abs().max() < 1e-4


def test_no_frame_looks_ahead():
    x, net, keep = noise(40), shaken(), level_keep(STANDARD)
    y = x.clone()
    y[:, :, 25:] = noise(15)
    with torch.no_grad():
        a, b = (full_mask(*net(v, keep)) for v in (x, y))
    assert (a[..., :25, :] - b[..., :25, :]).abs().max() < 1e-6 and (a - b).abs().max() > 1e-3


def test_stems_add_up_to_the_mix():
    x, net = noise(20, 2), shaken()
    with torch.no_grad():
        stems = apply(*net(x, level_keep(STANDARD)), x)
    assert stems.shape == (2, 4, 2, 20, BINS)
    assert (stems.sum(1) - x).abs().max() < 1e-6


# ---------------------------------------------------------------- bank and mixtures

def tone(hz, seconds, beat=0.0):
    t = np.arange(int(seconds * RATE)) / RATE
    x = 0.2 * np.sin(2 * np.pi * hz * t) * (1 if not beat else (t % beat < 0.1))
    return np.stack([x, 0.7 * x], 1).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("bank")
    for part in ("train", "valid"):
        for i, label in enumerate(("full", "merged")):
            stems = {"vocals": tone(440 + 50 * i, 6), "drums": tone(3000, 6, 0.5), "other": tone(900, 6)}
            if label == "full":
                stems["bass"] = tone(60, 6)
            bank.write_song(bank.Song(f"song {i}", "album", label, stems), part, where)
        bank.write_song(bank.Song("track a", "track", "rest", {"other": tone(700, 5)}), part, where)
        bank.write_song(bank.Song("speech a", "speech", "voice", {"voice": tone(200, 5, 0.3)}), part, where)
    return where


def test_a_song_comes_back_from_the_bank(folder):
    head = next(h for h in bank.heads("train", folder) if h["key"] == "song 0")
    song = bank.load_song(head)
    assert song.label == "full" and np.abs(song.stems["bass"] - tone(60, 6)).max() < 1e-4
    assert abs(head["levels"]["other"][1] - 20 * np.log10(0.2 * np.sqrt((1 + 0.49) / 4))) < 0.1


def test_pieces_travel(folder, tmp_path):
    pieces = bank.pack(["valid"], tmp_path / "out", 0.5, 8, folder=folder)
    assert len(pieces) > 1 and all(p.stat().st_size <= 0.5e6 for p in pieces)
    bank.unpack(pieces, folder=tmp_path / "there")
    a, b = bank.heads("valid", folder), bank.heads("valid", tmp_path / "there")
    assert [h["key"] for h in a] == [h["key"] for h in b]
    for u, v in zip(a, b):
        x, y = (bank.samples(h).astype(np.float32) for h in (u, v))
        assert x.shape == y.shape
        if u["kind"] == "album":  # aligned: Opus' delay is taken out
            i = u["stems"].index("drums")
            assert (x[i] * y[i]).sum() > 0.9 * np.sqrt((x[i] ** 2).sum() * (y[i] ** 2).sum())


def test_a_piece_with_strange_names_is_refused(tmp_path):
    import io
    import tarfile

    with tarfile.open(tmp_path / "p.tar", "w") as tar:
        info = tarfile.TarInfo("elsewhere/x.json")
        info.size = 2
        tar.addfile(info, io.BytesIO(b"{}"))
    with pytest.raises(ValueError, match="elsewhere"):
        bank.unpack([tmp_path / "p.tar"], folder=tmp_path)


@pytest.mark.parametrize("task", ["stems", "dialogue"])
def test_mixer_is_determined_by_its_seed_and_adds_up(folder, task):
    got = [Mixer(Bank("train", folder=folder), 1.0, s, task).batch(6) for s in (4, 4, 5)]
    assert all(torch.equal(a, b) for a, b in zip(got[0], got[1]))
    assert not torch.equal(got[0][0], got[2][0])
    mixture, stems, groups = got[0]
    assert (stems.sum(1) - mixture).abs().max() < 1e-6
    level = mixture.square().mean((1, 2)).sqrt()
    assert ((level - LEVEL).abs() < 1e-3).logical_or(level == 0).all()
    assert ((together(groups, stems).sum(1) - mixture).abs() < 1e-5).all()


def test_what_is_not_known_apart_is_not_asked_for(folder):
    mixer = Mixer(Bank("train", folder=folder), 1.0, 1, recipe=Recipe(coherent=0, rest=1.0, vocals_silent=0))
    _, stems, groups = mixer.batch(2)
    assert (groups[:, 1:3] == 0).all() and (groups[:, 3, 1:] == 1).all()
    assert (stems[:, 1:3] == 0).all() and stems[:, 0].abs().sum() > 0
    g = mixer.groups("merged")
    assert g[3].tolist() == [0, 0, 1, 1] and g[2].sum() == 0


def test_speed_moves_the_pitch(folder):
    mixer = Mixer(Bank("train", folder=folder), 1.0, 1)
    song = next(i for i, h in enumerate(mixer.bank.heads) if h["key"] == "song 0")
    x = mixer.treat(mixer.read(song, "vocals", 0, int(1.12 * mixer.n)), False)[0]
    peak = float(torch.fft.rfft(x).abs().argmax()) * RATE / mixer.n
    assert abs(peak - 440 * 1.12) < 3 and abs(float(x.abs().max()) - 0.2) < 0.1


# ---------------------------------------------------------------- training

def test_a_perfect_separation_has_no_loss_and_steps_lower_it(folder):
    mixer = Mixer(Bank("train", folder=folder), 0.6, 2, recipe=Recipe(eq=0, speed=0))
    mixture, stems, groups = mixer.batch(2)
    net, mode = Net("stems", SMALL), STANDARD
    spec = analyse(mixture, mode)
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    losses = []
    for _ in range(4):
        terms = loss_terms(*net(spec, level_keep(mode)), spec, stems, groups, mode)
        loss = sum(terms.values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())
    low, high = torch.ones(2, 3, 2, spec.shape[2], 240) * (1 + 0j), torch.ones(2, 3, 2, spec.shape[2], 721)
    only = torch.zeros_like(stems)
    only[:, 0] = mixture
    low[:, 1:], high[:, 1:] = 0, 0
    terms = loss_terms(low, high, spec, only, torch.eye(4).expand(2, 4, 4), mode)
    assert terms["spectrum"] < 1e-3 and terms["sdr"] < 0


@pytest.mark.parametrize("task", ["stems", "dialogue"])
def test_the_fused_loss_equals_the_plain_one(task):
    if not library():
        pytest.skip("no compiler or no AVX2 here")
    count = 4 if task == "stems" else 2
    stems = torch.randn(3, count, 2, 4800) * 0.05
    groups = torch.eye(count).repeat(3, 1, 1)
    if task == "stems":
        groups[1, 2], groups[1, 3, 2] = 0, 1
        groups[2, 1:3], groups[2, 3, 1:] = 0, 1
    spec = analyse(stems.sum(1), STANDARD)
    true = known_spectra(spec, stems, groups, STANDARD)
    assert (true - together(groups.to(spec.dtype), analyse(stems, STANDARD))).abs().max() < 1e-6
    low = torch.randn(3, count - 1, 2, 10, 240, dtype=torch.complex64).requires_grad_()
    high = torch.rand(3, count - 1, 2, 10, 721).requires_grad_()
    got = []
    for f in (sums_plain, sums):
        value = f(low, high, spec, true, groups)
        shares = torch.linspace(0.5, 2, value.numel()).reshape(value.shape) * torch.tensor([0, 1.0, 1.0])
        got.append((value, *torch.autograd.grad((value * shares).sum(), (low, high))))
    for a, b in zip(*got):
        # a distance that is all but zero may have its sign turned
        assert (a - b).abs().max() < 3e-4 * a.abs().max() and ((a - b).abs() > 1e-4 * a.abs().max()).float().mean() < 1e-3


def run_training(monkeypatch, folder, runs, *more):
    args = ["train", "--size", "16x1", "--seconds", "1", "--batch", "1", "--bank", str(folder), "--runs", str(runs),
            "--name", "t", *more]
    monkeypatch.setattr(sys, "argv", args)
    monkeypatch.setattr("training.stems.train.VALID_EXAMPLES", 2)
    train_main()
    return torch.load(runs / "t" / "last.pt", weights_only=False)


def test_a_run_goes_on_where_it_stopped(monkeypatch, folder, tmp_path):
    a = run_training(monkeypatch, folder, tmp_path, "--minutes", "0.01")
    b = run_training(monkeypatch, folder, tmp_path, "--minutes", "0.02")
    assert b["step"] > a["step"] > 0 and b["spent"] >= 1.2 > a["spent"] - 1
    rows = [json.loads(r) for r in (tmp_path / "t" / "log.jsonl").read_text().splitlines()]
    assert any("sdr_vocals" in r.get("valid", {}) for r in rows)
    net, mode = load(tmp_path / "t" / "last.pt")
    write(net, MODES[mode], tmp_path / "model")
    again, _ = load(tmp_path / "model")
    assert torch.equal(again.step_b, net.step_b)
    c = run_training(monkeypatch, folder, tmp_path / "new", "--minutes", "0.005", "--init", str(tmp_path / "model"))
    assert c["size"] == "16x1"


# ---------------------------------------------------------------- scores

def test_scores_of_known_errors():
    x = np.stack([tone(300, 4).T, tone(2000, 4).T])
    got = scores(["vocals", "drums"], x, x + 0.1 * x[::-1], False)
    assert abs(got["vocals"]["uSDR"] - 20) < 0.1 and abs(got["drums"]["cSDR"] - 20) < 0.1
    assert scores(["vocals", "bass"], np.stack([x[0], 0 * x[0]]), x, False).keys() == {"vocals"}
    names, three = merged("merged", np.ones((4, 2, 5)))
    assert names[2] == "bass + other" and (three[2] == 2).all()


@pytest.mark.parametrize("mode", BOTH, ids=lambda m: m.name)
def test_chunks_join_without_a_seam(mode, monkeypatch):
    monkeypatch.setattr("training.stems.evaluate.CHUNK", 37)
    x = np.random.default_rng(2).standard_normal((2, RATE + 123)).astype(np.float32)
    same = in_chunks(x, mode, lambda spec, at: np.ones((1, *spec.shape), np.complex64))
    assert same.shape == (2, *x.shape) and np.abs(same[0] - x).max() < 1e-4 and np.abs(same[1]).max() < 1e-4
    net = shaken()
    parts = in_chunks(x, mode, net_masks(net, mode))
    monkeypatch.setattr("training.stems.evaluate.CHUNK", 1000)
    whole = in_chunks(x, mode, net_masks(net, mode))
    assert np.abs(parts - whole).max() < 1e-4 * np.abs(x).max()


def test_bounds_and_baselines_are_in_order():
    true = np.stack([tone(440, 3).T, tone(5000, 3, 0.5).T, tone(60, 3).T, tone(1000, 3).T[:, ::-1] * np.array([[1], [-1]], np.float32)])
    mix = true.sum(0)
    ideal = in_chunks(mix, STANDARD, ideal_masks(true, STANDARD))
    classical = in_chunks(mix, STANDARD, classical_masks(3))
    assert np.abs(classical.sum(0) - mix).max() < 1e-5
    for k in range(4):
        assert sdr(true[k], ideal[k]) > 15 > sdr(true[k], mix)
    assert sdr(true[2], classical[2]) > sdr(true[2], mix / 4)


# ---------------------------------------------------------------- songs

@pytest.mark.parametrize("style", score.STYLES)
def test_every_style_makes_playable_songs(style):
    a, b = (score.compose(np.random.default_rng(7), style, 16.0) for _ in range(2))
    assert [p.family for p in a.parts] == [p.family for p in b.parts]
    assert all(np.array_equal(p.notes, q.notes) for p, q in zip(a.parts, b.parts))
    assert {p.stem for p in a.parts} <= {"drums", "bass", "other"}
    for p in a.parts:
        if len(p.notes):
            assert p.notes[:, 0].min() >= 0 and (p.notes[:, 1] > 0).all()
            assert p.notes[:, 2].min() > 15 and p.notes[:, 2].max() < 110 and p.notes[:, 3].max() <= 1


def test_patterns_are_a_bar_long():
    for style in score.STYLES.values():
        for row in style.drums:
            assert all(len(t) == 16 and set(t) <= set("Xxo.") and k in score.KEYS for k, t in row.items())


def test_chords_are_heard():
    bars = [0.0, 2.0, 4.0]
    piano = np.array([(0, 2, 48, 1), (0, 2, 64, 1), (0, 2, 67, 1), (2, 2, 45, 1), (2, 2, 60, 1), (2, 2, 64, 1.0)])
    (_, _, *c), (_, _, *am) = midi.hear_chords(piano, bars)
    assert [v % 12 for v in c] == [0, 4, 7] and [v % 12 for v in am] == [9, 0, 4]


def test_midi_files_are_read(tmp_path):
    import io

    import mido

    file = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000), mido.Message("program_change", program=33, channel=2),
                            mido.Message("note_on", note=40, velocity=127, channel=2, time=480),
                            mido.Message("note_off", note=40, channel=2, time=480),
                            mido.MetaMessage("set_tempo", tempo=1_000_000),
                            mido.Message("note_on", note=36, velocity=64, channel=9, time=480),
                            mido.Message("note_on", note=36, velocity=0, channel=9, time=240)])
    file.tracks.append(track)
    box = io.BytesIO()
    file.save(file=box)
    notes, _ = midi.read(box.getvalue())
    by = {(channel, program): v for (_, channel, program), v in notes.items()}
    assert np.allclose(by[2, 33], [[0.5, 0.5, 40, 1]]) and np.allclose(by[9, 0][0, :2], [2.0, 0.5])
    assert midi.family_of(33) == "bass" and midi.family_of(0) == "piano"


def test_a_voice_sings_the_melody():
    pytest.importorskip("pyworld")
    rng, t = np.random.default_rng(3), np.arange(3 * RATE) / RATE
    hz = 120 * (1 + 0.05 * np.sin(2 * t))
    speech = sum(np.sin(2 * np.pi * np.cumsum(hz) / RATE * k) / k for k in range(1, 40)) * (np.sin(2 * np.pi * 2.5 * t) > -0.3) * 0.1
    voice = sing.take_apart((speech + 1e-4 * rng.standard_normal(len(t))).astype(np.float32))
    melody = sing.octave(np.array([[0.3, 0.5, 57, 0.9], [1.0, 0.6, 60, 0.9]]), voice)
    x = sing.sing(rng, voice, melody, 2.0, style=sing.manner(rng) | {"depth": 0.0, "drift": 0.0, "formant": 1.0})
    for start, length, pitch, _ in melody:
        seg = x[int((start + 0.15) * RATE) : int((start + length - 0.05) * RATE)] * np.hanning(int((start + length - 0.05) * RATE) - int((start + 0.15) * RATE))
        want = 440 * 2 ** ((pitch - 69) / 12)
        s = np.abs(np.fft.rfft(seg, 1 << 17))
        f = np.fft.rfftfreq(1 << 17, 1 / RATE)
        near = (f > want * 0.8) & (f < want * 1.25)
        assert abs(1200 * np.log2(f[near][s[near].argmax()] / want)) < 40


def test_synth_and_kits_play_where_they_should():
    rng = np.random.default_rng(1)
    x = synth(np.array([[0.5, 0.5, 69, 0.8]]), 1.5, rng)
    assert np.abs(x[: RATE // 2]).max() == 0 and np.abs(x).max() > 0.1
    s = np.abs(np.fft.rfft(x[int(0.6 * RATE) : int(0.9 * RATE), 0]))
    assert abs(s.argmax() / 0.3 - 440) < 8
    kit = Kit("k", {"kick": [(0.0, np.ones((100, 2), np.float32))], "closed": [(0.0, np.ones((50, 2), np.float32))]})
    y = kit.play(np.array([[0.25, 0.1, 36, 1.0], [0.5, 0.1, 46, 1.0]]), 1.0, rng)
    assert np.flatnonzero(y[:, 0])[0] == RATE // 4 and y[RATE // 2, 0] > 0
    assert hit_kind("Kick Drum 1") == "kick" and hit_kind("Snare Rimshot Stick") == "stick" and key_kind(42) == "closed"
    assert hit_kind("Cowbell") == "perc" and hit_kind('Ride (Custom, 22")') == "ride" and hit_kind("drum_tom_lo_hard") == "tom low"
    assert not kit.whole() and Kit("k", kit.hits | {"snare": kit.hits["kick"]}).whole()
    assert all(key_kind(k) == kind for kind, (_, keys) in HITS.items() for k in keys)


def test_a_long_note_rests_on_the_steady_part_of_its_vowel():
    power = np.array([0.1, 0.3, 0.8, 1, 0.9, 0.9, 0.6, 0.2, 0.1, 0.05])
    for n in (6, 10, 14, 15, 60):
        path = np.round(sing.stretched(power, n)).astype(int)
        assert len(path) == n and path[0] == 0 and path[-1] == 9 and np.abs(np.diff(path)).max() <= (1 if n >= 10 else 5)
    assert (power[path[5:-5]] > sing.STEADY * power.max()).all()


def test_master_keeps_the_sum_under_the_ceiling():
    rng = np.random.default_rng(5)
    stems = {k: (rng.standard_normal((RATE, 2)) * g).astype(np.float32) for k, g in (("vocals", 0.1), ("drums", 0.6), ("bass", 0.3))}
    out = produce.master(rng, stems)
    assert np.abs(sum(out.values())).max() <= produce.CEILING + 1e-3
    assert all(np.isfinite(v).all() and produce.rms(v) > 1e-4 for v in out.values())


def test_limiter_holds_and_leaves_quiet_sound_alone():
    t = np.arange(RATE) / RATE
    x = np.stack([np.sin(2 * np.pi * 100 * t)] * 2, 1).astype(np.float32)
    loud = x * np.where(t > 0.5, 3, 0.3)[:, None].astype(np.float32)
    y = loud * produce.limiter_gain(loud)
    assert np.abs(y).max() <= produce.CEILING + 1e-4
    assert np.abs(y[: RATE // 3] - loud[: RATE // 3]).max() < 1e-6


def test_names_of_instruments_fall_to_stems():
    for name, kind in (("2.Lithium_Stem_SY BASS.m4a", "bass"), ("7.Francium_Stem_BGVOX BUILD.m4a", "vocals"),
                       ("4.Potassium_Stem_PAD + BASS.m4a", "other"), ("3.Sodium_Stem_K & SN_mobile.m4a", "drums"),
                       ("5.Rubidium_Stem_MELODY BREAK.m4a", "other"), ("1.Hydrogen_Stem_DRUMS BREAK 1.m4a", "drums"),
                       ("2.Lithium_Stem_FILL PIANO.m4a", "other"), ("2.Lithium_Stem_MINILOGUE_SYNTH.m4a", "other")):
        assert album.kind_of(name) == kind, name


def test_comparison_measures_what_it_says():
    x = {"vocals": tone(440, 4), "drums": tone(4000, 4, 0.5), "bass": tone(63, 4), "other": tone(1000, 4) * 0.1}
    got = measure(x, True)
    assert got["bass 63 Hz"] > -3 and got["vocals 500 Hz"] > -0.5 and got["vocals heard"] == 1
    assert got["bass x other collide"] < 0.05 and got["bass ideal mask dB"] > 15
    assert abs(got["vocals level dB"] - got["other level dB"] - 20) < 0.2
