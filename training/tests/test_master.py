"""Fast tests of the mastering model on generated audio: no data set and no binary is needed."""

import numpy as np
import onnxruntime as ort
import pytest
import torch

from training.master import features as ft
from training.master.degrade import (Band, Damage, Dynamics, Tone, apply_dynamics, apply_linear, draw_damage, draw_tone,
                                     draw_width, width_curve)
from training.master.export import build, parity, write
from training.master.net import Net
from training.master.protocol.measure import MEASURES, crest, distances, loudness, sides, thirds, tone_distance
from training.master.train import confidence, loss_of

RATE = 44_100
WIDTH_FIELDS = ("side-to-mid", "side-to-mid-p50", "side-to-mid-p90")


def noise(seconds: float = 6.0, seed: int = 1, sides_db: float = -6.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    m, s = rng.normal(0, 0.1, (2, int(seconds * RATE)))
    s = s * 10 ** (sides_db / 20)
    return np.stack([m + s, m - s]).astype(np.float32)


def names() -> tuple[str, ...]:
    """A table like that of the analysis: the features that the code asks for, and strangers between them."""
    out = ["loudness.integrated"]
    out += [f"third.{t}.{v}" for t in ft.THIRDS for v in ft.LEVELS]
    out += [f"width.{o}.{v}" for o in ft.OCTAVES for v in (*WIDTH_FIELDS, "balance")]
    out += ["band.sub.level", "band.sub.crest", "limit.highest"]
    out += [f"region.{r}.side-to-mid" for r in ft.REGIONS]
    return tuple(out + [f"dynamics.{b}.{f}" for b in ft.BANDS for f in ("above-p50", "below-p50", "range")])


def analysed(x: np.ndarray, places: ft.Places) -> np.ndarray:
    """The features that shift with tone and width, by the protocol's own measures: an oracle apart from `shift`."""
    f = np.zeros((1, places.size), np.float32)
    level = thirds(x, RATE)
    whole = 10 * np.log10(np.sum(10 ** (level / 10)))
    f[0, places.levels] = (level - whole)[:, None]
    spectrum = np.square(np.abs(np.fft.rfft(np.stack([x[0] + x[1], x[0] - x[1]]))))
    hz = np.arange(spectrum.shape[1]) * RATE / x.shape[1]
    for o in range(10):
        inside = (hz >= ft.THIRD_HZ[3 * o] * 2 ** (-1 / 6)) & (hz < ft.THIRD_HZ[3 * o + 2] * 2 ** (1 / 6))
        middle, side = spectrum[:, inside].sum(1)
        f[0, places.widths[o]] = 10 * np.log10(side / middle)
    f[0, places.regions] = sides(x, RATE)
    f[0, places.limit] = np.log2(20_000)
    return f


def test_moved_features_are_those_of_changed_audio():
    places, rng, x = ft.Places(names()), np.random.default_rng(4), noise(20.0)
    before = analysed(x, places)
    for _ in range(4):
        tone, width = draw_tone(rng), draw_width(rng)
        truth = analysed(apply_linear(x, RATE, tone, width), places)
        moved = ft.shift(before, places, ft.at_thirds(tone)[None], width[None], ft.at_octaves(width)[None])
        # Below 60 Hz a third has too few bins in the oracle's spectrum; at the edges of regions gains blend.
        assert np.abs(moved - truth)[0, places.mean[4:29]].max() < 0.6
        assert np.median(np.abs(moved - truth)[0, places.widths[:, 0]]) < 0.3
        assert np.abs(moved - truth)[0, places.regions].max() < 2.5


def test_targets_undo_the_damage():
    places, rng, x = ft.Places(names()), np.random.default_rng(2), noise()
    original = analysed(x, places)
    tone, width = ft.at_thirds(draw_tone(rng))[None], draw_width(rng)[None]
    octaves = ft.at_octaves(width[0])[None]
    given = ft.shift(original, places, tone, width, octaves)
    moves, known = ft.targets(original, given, original[:, places.mean] + tone, width, places)
    assert known[:, ft.CENTRAL].all() and known[:, ft.WIDES].all()
    back = ft.shift(given, places, moves[:, ft.TONES], moves[:, ft.WIDES], -octaves)
    central = places.mean[ft.CENTRAL]
    left = (back - original)[:, central]
    assert np.abs(left - left.mean()).max() < 1e-3
    assert np.abs(back - original)[:, places.regions].max() < 1e-3


def test_what_the_codec_cut_and_what_is_mono_is_not_learned():
    places, x = ft.Places(names()), noise()
    original = analysed(x, places)
    original[:, places.limit] = np.log2(12_000)
    original[:, places.regions[0]] = -50
    _, known = ft.targets(original, original, original[:, places.mean], np.zeros((1, 3)), places)
    assert not known[0, 28:30].any() and known[0, 10:26].all()
    assert not known[0, 30] and known[0, 31:33].all()


def test_dynamics_go_the_way_they_are_told():
    rng = np.random.default_rng(3)
    x = noise(8.0) * np.repeat(10 ** (np.tile([0, -12], 8) / 20), RATE // 2)[None, : 8 * RATE].astype(np.float32)

    def span(y):
        level = 10 * np.log10(np.square(y).reshape(2, 16, -1)[:, :, RATE // 8 :].mean((0, 2)))
        return level[::2].mean() - level[1::2].mean()

    same = apply_dynamics(x, RATE, Dynamics([None] * 4), rng)
    assert np.array_equal(same, x)
    for kind, amount, less in (("down", 0.5, True), ("up", 0.5, True), ("both", -0.4, False)):
        y = apply_dynamics(x, RATE, Dynamics([Band(kind, amount, 0.6 if kind == "up" else 0.4, 0.02)], whole=True), rng)
        assert (span(y) < span(x) - 2) if less else (span(y) > span(x) + 2), kind
    limited = apply_dynamics(x, RATE, Dynamics([None] * 4, limit=6.0), rng)
    assert crest(limited) < crest(x) - 2


def test_damage_is_finite_and_repeats():
    x = noise(3.0)
    for seed in range(8):
        one, two = (draw_damage(np.random.default_rng(seed))(x, RATE, np.random.default_rng(seed)) for _ in range(2))
        assert np.isfinite(one).all() and np.array_equal(one, two), seed
    untouched = Damage(None, None, None, 0.0)(x, RATE, np.random.default_rng(0))
    assert np.abs(untouched - x).max() < 1e-5


def test_curves_are_what_they_say():
    tone = Tone(tilt=1.0)
    assert tone(np.array([1000.0]))[0] == pytest.approx(0)
    assert tone(np.array([4000.0]))[0] == pytest.approx(2.0)
    width = width_curve(np.array([-3.0, 0.0, 4.0]), np.array([50.0, 700.0, 9000.0]))
    assert width == pytest.approx([-3, 0, 4])


def test_loudness_of_the_reference_tone():
    """A sine of 997 Hz at -23 dBFS in both channels is -23 LUFS (EBU Tech 3341, case 1)."""
    for rate in (44_100, 48_000, 96_000):
        t = np.arange(20 * rate) / rate
        x = np.repeat((10 ** (-23 / 20) * np.sin(2 * np.pi * 997 * t))[None], 2, 0)
        assert loudness(x, rate) == pytest.approx(-23.0, abs=0.05)
    assert loudness(np.zeros((2, 48_000)), 48_000) == -np.inf


def test_distances():
    x = noise()
    assert all(v == pytest.approx(0, abs=1e-4) for v in distances(x, x, RATE).values())
    assert set(distances(x, x, RATE)) == set(MEASURES)
    louder = distances(x, 2 * x, RATE)
    assert louder["loudness"] == pytest.approx(6.02, abs=0.05) and louder["thirds"] < 1e-3 and louder["spectrum"] < 0.05
    assert distances(x, apply_linear(x, RATE, None, np.full(3, -5.0)), RATE)["width"] == pytest.approx(5, abs=0.1)
    bright = apply_linear(x, RATE, Tone(tilt=1.0), None)
    assert tone_distance(x, bright, RATE) == pytest.approx(np.abs(ft.at_thirds(Tone(tilt=1.0))).mean(), rel=0.35)


def net() -> Net:
    torch.manual_seed(2)
    places = ft.Places(names())
    n = Net(places.size, places.seen)
    rng = np.random.default_rng(5)
    n.fit(rng.normal(0, 6, (500, places.size)).astype(np.float32), rng.normal(0, 3, (500, len(ft.MOVES))), np.ones((500, len(ft.MOVES)), bool))
    return n.eval()


def test_graph_is_the_network(tmp_path):
    n = net()
    assert parity(n, build(n)) < 1e-3
    assert write(n, tmp_path, {"evidence": 0.4, "album": np.arange(len(ft.MOVES))}) < 1e-3
    import tomllib

    manifest = tomllib.loads((tmp_path / "manifest.toml").read_text())
    assert [m["name"] for m in manifest["moves"]] == ft.MOVES
    assert manifest["moves"][3] | {"prior": 0} == {"name": ft.MOVES[3], "unit": "dB", "prior": 0, "evidence": 0.4, "album": 3.0}
    assert sum(p.numel() for p in n.parameters()) < 200_000


def test_graph_answers_to_what_is_no_number():
    n = net()
    session = ort.InferenceSession(build(n).SerializeToString(), providers=["CPUExecutionProvider"])
    for bad in (np.nan, np.inf, -np.inf, 1e30):
        moves, spread = session.run(None, {"features": np.full((1, n.size), bad, np.float32)})
        assert np.isfinite(moves).all() and (spread > 0).all()


def test_only_what_is_seen_counts():
    n = net()
    x = np.random.default_rng(8).normal(0, 5, (1, n.size)).astype(np.float32)
    y = x.copy()
    unseen = sorted(set(range(n.size)) - set(n.seen.tolist()))
    assert unseen
    y[:, unseen] += 50
    with torch.no_grad():
        assert torch.equal(n(torch.as_tensor(x))[0], n(torch.as_tensor(y))[0])


def test_loss_finds_mean_and_deviation():
    torch.manual_seed(1)
    truth = 1.5 + 0.7 * torch.randn(20_000, 1)
    mean, log = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.Adam([mean, log], lr=0.02)
    for _ in range(800):
        optimiser.zero_grad()
        loss_of(mean.expand(20_000, 1), log.expand(20_000, 1), truth, torch.ones(20_000, 1)).backward()
        optimiser.step()
    assert mean.item() == pytest.approx(1.5, abs=0.03) and np.exp(log.item()) == pytest.approx(0.7, abs=0.03)


def test_confidence_is_one_half_at_the_evidence():
    moves, spread = np.full((1, len(ft.MOVES)), 2.0), np.full((1, len(ft.MOVES)), 2.0)
    assert confidence(moves, spread, "width", 1.0)[0, 0] == pytest.approx(0.5)
    assert confidence(10 * moves, spread, "width", 1.0)[0, 0] > 0.99
    assert confidence(0 * moves, spread, "width", 1.0)[0, 0] == 0
    # Tone: a decibel is left of the half that is believed, and half a decibel of it is none.
    assert confidence(moves, spread, "tone", 1.0)[0, 0] == pytest.approx(0.25)
    assert confidence(0.2 * moves, 0.01 * spread, "tone", 1.0)[0, 0] == 0
