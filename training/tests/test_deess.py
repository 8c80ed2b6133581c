"""Fast tests of the de-esser's training on generated audio: no data set is needed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from training.common.leaky import leaky, leaky_plain
from training.deess import labels as lab
from training.deess import voices
from training.deess.bands import (BANDS, CLASSES, PARITY_RATES, RATE, bands, centres, matrix, parity_line, power, reduction_centres,
                                  samples, spectra, window)
from training.deess.export import build, graph_features, load_onnx, parity, write
from training.deess.loss import figures, loss_terms, weight
from training.deess.mix import Mixer, Pool, Recipe
from training.deess.net import MEMORY, MEMORY_BANDS, Net, count, edges, features, readable, remember, run
from training.deess.prepare import FLITE, HELD_LANGUAGES, from_phonemes
from training.deess.protocol.reference import Reference, apply, basis
from training.deess.protocol.score import boosted_figures, log_spectral_distance, sdr
from training.deess.protocol.speech import BOOST_DB, Utterance, in_band
from training.denoise.prepare import LEVEL, room_spectra, shoebox

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(3)


def noise(seconds: float, low: float, high: float, seed: int = 1) -> np.ndarray:
    n = int(seconds * RATE)
    spec = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    f = np.fft.rfftfreq(n, 1 / RATE)
    x = np.fft.irfft(spec * ((f >= low) & (f <= high)), n)
    return (x / np.sqrt(np.mean(x * x))).astype(np.float32)


def tone(seconds: float, hz: float = 130.0) -> np.ndarray:
    t = np.arange(int(seconds * RATE)) / RATE
    x = sum(np.sin(2 * np.pi * hz * k * t) / k**1.5 for k in range(1, 25))
    return (x / np.sqrt(np.mean(x * x))).astype(np.float32)


def words(count: int = 8, gain: float = 1.0) -> tuple[np.ndarray, list]:
    """Vowels and s in turn, a pause between: audio at LEVEL, and phonemes in frames."""
    parts, phones, at = [], [], 0
    for k in range(count):
        for x, kind, vowel in ((tone(0.25, 110 + 10 * k), lab.NONE, True), (noise(0.12, 4500, 9500, k) * 0.25 * gain, lab.S, False),
                               (np.zeros(int(0.08 * RATE), np.float32), lab.NONE, False)):
            frames = len(x) // lab.HOP
            if x.any():
                phones.append((at, at + frames, kind, vowel, "s" if kind else "a"))
            parts.append(x[: frames * lab.HOP] * np.float32(LEVEL))
            at += frames
    return np.concatenate(parts), phones


# --- bands -------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", PARITY_RATES)
def test_a_full_scale_tone_reads_one_in_a_bin_and_bands_are_means(rate):
    w = window(rate)
    assert len(w) == samples(10, rate) and 0 <= w.min() and w.max() <= 1
    k = 12
    x = np.cos(2 * np.pi * k * rate / len(w) * np.arange(len(w)) / rate)
    assert abs(np.abs(np.fft.rfft(x * w))[k] * 2 / w.sum() - 1) < 1e-2
    m = matrix(rate)
    held = centres() < rate / 2
    assert np.allclose(m.sum(0), held)


def test_bands_equal_their_definition():
    rate, at = 44_100, centres()
    x = np.random.default_rng(2).standard_normal(4 * samples(5, rate))
    got = bands(x, rate)
    w, hop = window(rate), samples(5, rate)
    for t in (1, 3):
        frame = x[(t + 1) * hop - len(w) : (t + 1) * hop] if (t + 1) * hop >= len(w) else None
        if frame is None:
            continue
        p = np.abs(np.fft.rfft(frame * w) * 2 / w.sum()) ** 2
        for i in (0, 7, 25, 39):
            side = at[1] / at[0]
            total = weights = 0.0
            for b, value in enumerate(p):
                hz = b * rate / len(w)
                reach = max(rate / len(w), at[i] - at[i] / side) if hz < at[i] else max(rate / len(w), at[i] * side - at[i])
                v = max(0.0, 1 - abs(hz - at[i]) / reach)
                total, weights = total + v * value, weights + v
            assert abs(got[t, i] - total / weights) < 1e-9 * max(1, total)


def test_parity_file_is_what_the_code_says():
    lines = (ROOT / "dsp-core" / "tests" / "bands_parity.txt").read_text().splitlines()
    assert lines == [parity_line(rate) for rate in PARITY_RATES]


def test_a_vowel_does_not_leak_into_the_sibilants_bands():
    t = np.arange(RATE) / RATE
    p = bands(np.sin(2 * np.pi * 210 * t) + np.sin(2 * np.pi * 630 * t))[20:]
    assert 10 * np.log10(p[:, centres() > 5000].max()) < -85


# --- network -----------------------------------------------------------------------------


def test_running_means_in_c_equal_plain_ones():
    rng = np.random.default_rng(1)
    rate, aim = rng.random((3, 40, 2)).astype(np.float32), rng.standard_normal((3, 40, 5)).astype(np.float32)
    a, b = np.zeros((3, 2, 5), np.float32), np.zeros((3, 2, 5), np.float32)
    assert np.abs(leaky(rate, aim, a) - leaky_plain(rate, aim, b)).max() < 1e-6 and np.abs(a - b).max() < 1e-6


def test_export_equals_training_net_over_300_frames_with_a_reset(tmp_path):
    net = Net()
    for p in net.parameters():
        p.data += torch.randn_like(p) * 0.05
    assert parity(net, build(net), frames=300) < 1e-3
    write(net, tmp_path)
    back = load_onnx(tmp_path / "model.onnx")
    folded = ("balance1_w", "edge_w")
    same = dict(back.named_parameters())
    assert all(torch.allclose(a, same[name], rtol=1e-6, atol=0) for name, a in net.named_parameters() if name not in folded)
    assert torch.allclose(net.balance(), back.balance(), rtol=1e-5, atol=1e-6)
    assert 15_000 <= count(net) <= 40_000


def test_graph_features_are_logarithms_and_means_with_their_weights():
    x, mode = bands(words()[0])[:60], np.eye(3)[1]
    f, state = graph_features(x, mode)
    assert f.shape == (60, 246) and np.array_equal(f[:, -3:], np.tile(mode, (60, 1)))
    assert np.allclose(f[2:, 40:80], f[1:-1, :40], atol=1e-5) and np.allclose(f[2:, 80:120], f[:-2, :40], atol=1e-5)
    more, _ = graph_features(bands(words()[0])[60:90], mode, state)
    whole, _ = graph_features(bands(words()[0])[:90], mode)
    assert np.allclose(more, whole[60:], atol=1e-3)


def test_states_carry_over():
    x = bands(words()[0])
    net, mode = Net(), np.eye(3)[1]
    want, _ = run(net, x, mode)
    a, state = run(net, x[:177], mode)
    b, _ = run(net, x[177:], mode, state)
    for k in want:
        assert np.abs(np.concatenate([a[k], b[k]]) - want[k]).max() < 1e-4 * max(1, np.abs(want[k]).max())


def test_level_is_taken_out():
    x = bands(words()[0])
    net, mode = Net(), np.eye(3)[0]
    outs = [run(net, x * 10 ** (db / 10), mode)[0] for db in (-60, 0, 20)]
    for k in ("classes", "excess", "whistle"):
        assert max(np.abs(o[k] - outs[1][k]).max() for o in outs) < 2e-2


def test_silence_is_finite():
    out, _ = run(Net(), np.zeros((50, BANDS), np.float32), np.eye(3)[0])
    assert all(np.isfinite(v).all() for v in out.values())


# --- labels ------------------------------------------------------------------------------


def test_labels_find_s_and_leave_vowels():
    x, phones = words()
    got, truth = lab.label(x), from_phonemes(x, 20_000, phones)
    sib = np.isin(got, lab.SIBILANTS)
    assert sib[truth == lab.S].mean() > 0.9
    assert sib[truth == lab.NONE].mean() < 0.05


def test_a_short_burst_after_silence_is_a_plosive_and_low_friction_is_sh():
    x = np.concatenate([tone(0.3), np.zeros(2400), noise(0.025, 3000, 9000) * 0.3, tone(0.3), noise(0.12, 2400, 4300) * 0.4, tone(0.3)])
    got = lab.label((x * LEVEL).astype(np.float32))
    at = int(0.36 / 0.005)
    assert (got[at : at + 3] == lab.PLOSIVE).any()
    assert (got[(140 + 8) : (140 + 18)] == lab.SH).mean() > 0.6


def test_tone_alone_and_silence_have_no_friction():
    assert not lab.label(tone(1.0) * np.float32(LEVEL)).any()
    assert not lab.label(np.zeros(RATE, np.float32)).any()


# --- mixtures ----------------------------------------------------------------------------


class Made:
    """A source of generated audio."""

    def __init__(self, x, classes=None, key="made", long=True):
        self.audio = np.clip(x * 32768, -32767, 32767).astype(np.int16)
        self.classes = classes
        self.pieces = [dict(key=key, lang="", start=0, length=len(x), band=20_000, files=[[0, len(x)]], long=long)]


class Store:
    def __init__(self):
        x, phones = words(24)
        c = from_phonemes(x, 20_000, phones)
        self.vocals = Made(x, c)
        self.speech, self.synth = [self.vocals], [self.vocals, Made(x, c, key="flite made")]
        hats = np.tile(np.concatenate([noise(0.04, 6000, 16_000) * LEVEL, np.zeros(RATE // 5, np.float32)]), 40)
        self.music = self.other = Made(hats.astype(np.float32))
        self.hits = Made(hats[:RATE // 2].astype(np.float32), key="hat", long=False)
        self.noise = Made(noise(12, 100, 12_000) * np.float32(LEVEL))
        self.rooms = np.stack([room_spectra(shoebox(1))])
        self.hard = [(self.noise, self.noise.pieces[0], [RATE]), (self.hits, self.hits.pieces[0], [10])]


@pytest.fixture(scope="module")
def store():
    return Store()


def test_parts_of_a_segment_add_up(store):
    s = Mixer(store, 2.0, 4, Recipe(**(PLAIN | dict(background=1.0, snr_db=(10.0, 10.0))))).segment()
    heard = s.classes == lab.S
    total = s.parts.voice_coarse + s.parts.rest_coarse
    assert np.allclose(s.weight[heard], (total / total.sum(1, keepdims=True))[heard], atol=1e-4)
    assert 0.5 < s.power[heard].sum() / s.parts.voice[heard].sum() < 2


def test_mixer_is_determined_by_its_seed(store):
    a, b, c = (Mixer(store, 2.0, s).batch(3) for s in (4, 4, 5))
    assert all(np.array_equal(a[k], b[k]) for k in a)
    assert not np.array_equal(a["power"], c["power"])
    assert a["power"].shape == (3, 400, BANDS) and all(np.isfinite(v).all() for v in a.values())


PLAIN = dict(mode=(1.0, 0.0, 0.0), turns=0, speed=0, microphone=0, room=0, compression=0, background=0, empty=0, band_limit=0,
             clip=0, hiss=0, late_start=0, each_differs=0, whistle=0, own=(0.0, 0.0, 0.0), breaths=0)


def test_target_is_the_boost_where_it_sounds_and_nothing_elsewhere(store):
    recipe = Recipe(**PLAIN, untouched=0, cut=0, boost_db=(9.0, 9.0), clear=0, low_hz=(4000.0, 4000.0), high_hz=(10_000.0, 10_000.0),
                    open_top=0)
    mixer = Mixer(store, 2.0, 7, recipe)
    mixer.which = lambda: (lab.S,)
    s = mixer.segment()
    at = reduction_centres()
    inside = (at > 5000) & (at < 8200)
    # frames that are boosted as a whole
    core = np.convolve((s.classes == lab.S).astype(float), np.ones(7), "same") > 6.5
    assert core.sum() > 20 and np.abs(s.target[core][:, inside] - 9).max() < 0.6
    away = np.convolve((s.classes == lab.S).astype(float), np.ones(9), "same") < 0.5
    assert s.target[away].max() < 1e-3


def test_what_is_untouched_or_cut_has_no_target(store):
    for extra in (dict(untouched=1.0), dict(untouched=0.0, cut=1.0)):
        mixer = Mixer(store, 2.0, 8, Recipe(**PLAIN, **extra))
        assert max(mixer.segment().target.max() for _ in range(3)) == 0


def test_noise_over_a_sibilant_lowers_its_target(store):
    base = dict(PLAIN, untouched=0, cut=0)
    clean = Mixer(store, 2.0, 9, Recipe(**base)).segment()
    noisy = Mixer(store, 2.0, 9, Recipe(**(base | dict(background=1.0, snr_db=(-10.0, -10.0))))).segment()
    assert noisy.target.max() < clean.target.max()


def test_another_talkers_friction_is_no_excess_and_leaves_vowels(store):
    mixer = Mixer(store, 2.0, 11, Recipe(**(PLAIN | dict(own_db=8.0, own_too=(0.0, 0.0)))))
    x, c = mixer.cut(store.vocals, store.vocals.pieces[0], mixer.length)
    y = mixer.own_friction(x, c)
    away = np.repeat(np.convolve((c == lab.S).astype(float), np.ones(5), "same") < 0.5, lab.HOP)
    assert np.abs(y - x)[away].max() < 1e-6 and np.abs(y - x).max() > 1e-3


def test_breaths_lie_in_pauses_and_are_called_so(store):
    mixer = Mixer(store, 2.0, 12, Recipe(**PLAIN))
    voice = tone(0.5) * np.float32(LEVEL)
    x = np.concatenate([voice, np.zeros(RATE // 2, np.float32), voice, np.zeros(RATE // 2, np.float32)])
    found = 0
    for _ in range(6):
        y, c = mixer.breathe(x, np.zeros(400, np.uint8))
        moved = np.square(y - x).reshape(400, -1).mean(1) > 0
        quiet = np.square(x).reshape(400, -1).mean(1) == 0
        assert not (moved & ~quiet).any() and not (c[~moved] == lab.BREATH).any()
        found += int((c == lab.BREATH).sum())
    assert found > 50


def test_an_event_is_in_the_stretch_that_is_cut_for_it():
    made = Store()
    x = np.zeros(20 * RATE, np.float32)
    x[7 * RATE : 7 * RATE + 100] = 0.5
    made.hard = [(Made(x), dict(start=0, length=len(x)), [7 * RATE])]
    mixer = Mixer(made, 3.0, 1)
    assert all(mixer.event().max() > 0.4 for _ in range(20))


BOOSTED = Recipe(**(PLAIN | dict(untouched=0, cut=0, boost_db=(9.0, 9.0), clear=0, low_hz=(4000.0, 4000.0), high_hz=(10_000.0, 10_000.0),
                                 open_top=0, dark=0)))


def test_a_variation_has_the_boost_where_the_sibilants_are(store):
    natural = Mixer(store, 2.0, 7, Recipe(**PLAIN, untouched=1.0)).segment()
    mixer = Mixer(store, 2.0, 8, BOOSTED)
    mixer.which, mixer.own_curves = lambda: (lab.S,), lambda hz: []
    s, at = mixer.vary(natural), reduction_centres()
    inside, wide = (at > 5000) & (at < 8200), (centres() > 5000) & (centres() < 8200)
    core = np.convolve((s.classes == lab.S).astype(float), np.ones(7), "same") > 6.5
    away = np.convolve((s.classes == lab.S).astype(float), np.ones(9), "same") < 0.5
    raised = 10 * np.log10((s.power + 1e-20) / (natural.power + 1e-20))
    assert core.sum() > 20 and np.abs(s.target[core][:, inside] - 9).max() < 0.6 and np.abs(raised[core][:, wide] - 9).max() < 0.6
    assert s.target[away].max() < 1e-3 and np.abs(raised[away]).max() < 1e-3
    assert np.array_equal(s.classes, natural.classes) and natural.target.max() == 0


def test_another_talkers_friction_in_a_variation_is_no_excess(store):
    natural = Mixer(store, 2.0, 7, Recipe(**PLAIN, untouched=1.0)).segment()
    mixer = Mixer(store, 2.0, 9, Recipe(**(PLAIN | dict(untouched=1.0, own_db=9.0, dark=0))))
    varied = [mixer.vary(natural) for _ in range(5)]
    assert max(v.target.max() for v in varied) == 0
    assert max(np.abs(np.log(v.power[v.classes == lab.S] / natural.power[v.classes == lab.S])).max() for v in varied) > 1


def test_memory_holds_the_spectra_of_its_classes():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((1, 600, BANDS)).astype(np.float32) * 0.1
    p = np.zeros((1, 600, len(CLASSES)), np.float32)
    p[0, ::2, CLASSES.index("s")] = 1
    p[0, 1::2, CLASSES.index("plosive")] = 1
    x[0, ::2] += 1
    x[0, 1::2] -= 1
    got, state = remember(p, x)
    last = got[0, -1].reshape(len(MEMORY), MEMORY_BANDS + 1)
    assert abs(last[1, :-1].mean() - 1) < 0.05 and abs(last[3, :-1].mean() + 1) < 0.05
    assert np.all(last[[2, 4]] == 0) and np.allclose(last[[0, 1, 3], -1], 1)
    again, _ = remember(p[:, 300:], x[:, 300:], remember(p[:, :300], x[:, :300])[1])
    assert np.abs(again[0, -1] - got[0, -1]).max() < 1e-5 and state.shape == (1, len(MEMORY), MEMORY_BANDS + 1)


def test_differences_of_bands_are_the_same_sums_as_the_bands():
    torch.manual_seed(2)
    net, seen = Net(), torch.randn(7, edges().shape[1])
    wanted = seen @ net.balance1_w + seen @ net.edges.T @ net.edge_w
    assert torch.allclose(seen @ net.balance(), wanted, atol=1e-4)
    level = np.concatenate([np.zeros(edges().shape[1] - 137), np.ones(137)])  # no band differs from its neighbour
    assert np.abs(edges()[:, -137:] @ level[-137:]).max() == 0
    assert count(net) < 40_000


def test_pool_gives_segments_again(store):
    pool = Pool(Mixer(store, 1.0, 3), size=4)
    for _ in range(30):
        got = pool.batch(3)
        assert got["power"].shape[0] == 3 and np.isfinite(got["power"]).all()
    assert len(pool.kept) == 4


def test_a_few_steps_lower_the_loss(store):
    mixer, net = Mixer(store, 2.0, 2), Net()
    batch = mixer.batch(2)
    x = torch.from_numpy(features(batch["power"], batch["mode"])[0])
    batch = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in batch.items()}
    optimiser, losses = torch.optim.Adam(net.parameters(), 3e-3), []
    for _ in range(12):
        raw, _ = net(x)
        loss = sum(loss_terms(raw, batch).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    assert set(figures(raw.detach(), batch)) >= {"error_db", "natural_db", "recall"}


def test_weight_is_zero_at_rest_and_on_bursts_and_one_on_a_sure_s():
    def p(**named):
        v = torch.zeros(6)
        for k, x in named.items():
            v[("none", "s", "sh", "f", "breath", "plosive").index(k)] = x
        return float(weight(v))

    assert p(none=1.0) == 0 and p(none=0.85, s=0.15) == 0 and p(plosive=0.6, s=0.4) == 0
    assert abs(p(s=0.9, none=0.1) - 1) < 1e-6 and abs(p(f=1.0) - 0.25) < 1e-6 and p(breath=1.0) == 0


# --- the protocol ------------------------------------------------------------------------


def test_bands_of_the_filter_add_up_to_a_high_pass():
    taps = basis()
    m = np.arange(-48, 49)
    for hz, wanted in ((800, 0.0), (4000, 1.0), (9000, 1.0), (18_000, 1.0)):
        got = (taps.sum(0) * np.cos(2 * np.pi * hz * m / RATE)).sum()
        assert abs(got - wanted) < 0.02


def test_nothing_to_take_gives_the_input_and_a_known_cut_is_made():
    x = noise(0.5, 5500, 9000).astype(np.float64)
    r = np.zeros((100, 12))
    assert np.array_equal(apply(x, r), x)
    r[:] = 6.0
    y = apply(x, r)
    inner = slice(4800, -4800)
    assert abs(10 * np.log10(np.mean(x[inner] ** 2) / np.mean(y[inner] ** 2)) - 6) < 0.2


def utterance() -> Utterance:
    x, phones = words()
    return Utterance("made", "made", x, phones).raise_sibilants()


def test_scores_of_doing_nothing_and_of_the_truth():
    u = utterance()
    idle, truth = boosted_figures(u, u.boosted), boosted_figures(u, u.natural)
    assert abs(np.mean(idle["error"]) - BOOST_DB) < 1 and np.mean(idle["vowel"]) == 0
    assert np.mean(truth["error"]) < 1e-6 and truth["sdr"] == [100.0]
    assert sdr(u.natural, u.boosted) < 20
    assert log_spectral_distance(u.natural[:4800], u.natural[:4800] * 2).mean() > 2


def test_reference_engine_without_excess_is_the_input():
    u, net = utterance(), Net()
    with torch.no_grad():
        net.out_w.zero_()
        net.out_b.fill_(-3.0)
    y = Reference(net)(u.natural)
    assert np.array_equal(y, u.natural.astype(np.float64))


def test_boost_stays_in_its_band():
    u = utterance()
    d = u.boosted - u.natural
    assert np.square(d - in_band(d)).sum() < 2e-2 * np.square(d).sum()
    assert power(spectra(d.astype(np.float32)))[:, :45].sum() < 1e-3 * power(spectra(d.astype(np.float32))).sum()


def test_readable_outputs_stay_in_range():
    got = readable(torch.randn(40, 21) * 20)
    assert torch.allclose(got["classes"].sum(-1), torch.ones(40)) and (got["excess"] >= 0).all()
    assert (got["centre"] >= 2499).all() and (got["centre"] <= 16_001).all() and (got["width"] <= 2).all()


def test_no_talker_of_a_held_out_set_is_among_the_neural_voices(tmp_path, monkeypatch):
    kept = ["en_US/cmu-arctic_low/sample_slt", "en_US/vctk_low/sample_p225"]
    held = [f"en_US/cmu-arctic_low/sample_{v}" for part in ("valid", "test") for v in FLITE[part]]
    held += ["en_US/vctk_low/sample_p232", "it_IT/mls_low/sample_1157", "en_UK/apope_low/sample"]
    for name in kept + held:
        path = tmp_path / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.setattr(voices, "SAMPLES", tmp_path)
    found = voices.items(frozenset().union(*HELD_LANGUAGES.values()))
    assert [(key, lang) for _, key, lang in found] == [(f"neural {n.replace('/sample', ' sample')}", "en") for n in kept]
