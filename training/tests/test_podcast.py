"""End-to-end proof of the podcast chain on real recordings; skipped where those are not."""

import os

import numpy as np
import pytest

from training.podcast.measure import ROOT, loudness
from training.podcast.proof import RATE, prove, there

XTASK = os.environ.get("PLAINSONG_XTASK", str(ROOT / "target/release/xtask"))


def test_the_meter_reads_the_standards_tone():
    # BS.1770-5: a full-scale tone of 997 Hz in one channel reads -3.01 LUFS.
    t = np.arange(10 * RATE) / RATE
    assert abs(loudness(np.sin(2 * np.pi * 997 * t)) + 3.01) < 0.02


@pytest.fixture(scope="module")
def proofs():
    if not there():
        pytest.skip("the held-out recordings are not here; training/README.md says how to get them")
    if not os.path.exists(XTASK):
        pytest.skip(f"{XTASK} is not built; cargo build --release -p xtask")
    return prove(languages=5, snrs=[10.0])


def mean(proofs, which: str, key: str) -> float:
    return float(np.mean([getattr(proof, which)[key] for proof in proofs]))


def test_noise_goes_down_by_the_denoisers_share(proofs):
    assert len({proof.lang for proof in proofs}) == 5
    noisy, denoised, episode = (mean(proofs, which, "ovrl") for which in ("noisy", "denoised", "episode"))
    assert denoised > noisy + 0.1, "the denoiser alone brings something on these"
    assert episode - noisy > 0.7 * (denoised - noisy), [proof.share for proof in proofs]


def test_words_stay_intact(proofs):
    for key in ("stoi", "pesq"):
        assert mean(proofs, "episode", key) > mean(proofs, "noisy", key), key
    # A voice that lost words loses far more than this.
    assert all(proof.episode["stoi"] > proof.noisy["stoi"] - 0.1 for proof in proofs)


def test_loudness_is_exact_and_peaks_are_under_the_ceiling(proofs):
    for proof in proofs:
        assert abs(proof.lufs + 16.0) < 0.1, proof.lang
        # Two meters of peaks between the samples differ by some hundredths of a decibel.
        assert proof.peak_dbtp < -1.0 + 0.1, proof.lang
