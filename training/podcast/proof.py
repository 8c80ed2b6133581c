"""Proof on real recordings: what `render podcast` does to noisy voices of several languages.

    python -m training.podcast.proof [--languages 6] [--snr 5 10]

For each language a held-out talker speaks in held-out noise. The mixture goes through the chain at its defaults, as an episode, and
through the denoiser alone with the chain's own limit. Told: DNSMOS OVRL (as `training.evaluate` computes it) of the mixture and of both; STOI and
PESQ against the clean voice; loudness and peak of the file, by a meter that is not the renderer's.
"""

import argparse
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ..evaluate.metrics import score
from .cuts import CACHE, HOP, RATE, programme
from .measure import ROOT, loudness

LIMIT_DB = 24
"""The chain's own limit of the denoiser."""
SECONDS = 12.0
OVER = 8
"""Times the rate at which peaks between samples are looked for."""


@dataclass
class Proof:
    """What became of one recording."""

    lang: str
    snr: float
    noisy: dict
    denoised: dict
    episode: dict
    lufs: float
    peak_dbtp: float

    @property
    def share(self) -> float:
        """The episode's gain of OVRL over the denoiser's."""
        return (self.episode["ovrl"] - self.noisy["ovrl"]) / max(self.denoised["ovrl"] - self.noisy["ovrl"], 1e-6)


def there() -> bool:
    """The recordings are there."""
    return all((CACHE / f"{kind}-test.{ending}").exists() for kind in ("speech", "noise") for ending in ("json", "i16"))


def render(engine: str, sound: np.ndarray, folder: Path, *words: str) -> np.ndarray:
    """What the renderer makes of a sound `[N]`, as long as it."""
    soundfile.write(folder / "in.wav", sound, RATE, "FLOAT")
    xtask = os.environ.get("PLAINSONG_XTASK", str(ROOT / "target/release/xtask"))
    command = [xtask, "render", engine, folder / "in.wav", "-o", folder / "out.wav", "--bits", "32f", "--overwrite", "--quiet", *words]
    subprocess.run([str(word) for word in command], check=True)
    return soundfile.read(folder / "out.wav", dtype="float32")[0]


def as_loud(x: np.ndarray, like: np.ndarray) -> np.ndarray:
    """A sound at another's mean level: DNSMOS and PESQ read levels."""
    return x * np.float32(np.sqrt((like**2).mean() / ((x**2).mean() + 1e-12)))


def prove(languages: int, snrs: list[float], seed: int = 2) -> list[Proof]:
    """One recording for each language and signal-to-noise ratio in dB."""
    random = np.random.default_rng(seed)
    talkers, noises = (json.loads((CACHE / f"{kind}-test.json").read_text()) for kind in ("speech", "noise"))
    speech, noise = (np.memmap(CACHE / f"{kind}-test.i16", np.int16, "r") for kind in ("speech", "noise"))
    by = {talkers[index]["lang"]: talkers[index] for index in random.permutation(len(talkers))}
    proofs = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for lang in sorted(by)[:languages]:
            clean, truth = programme(by[lang], speech, None, SECONDS, random)
            for snr in snrs:
                piece = noises[random.integers(len(noises))]
                bed = np.resize(noise[piece["start"] : piece["start"] + piece["length"]].astype(np.float32), len(clean))
                voice = clean[np.repeat(truth, HOP)]
                bed *= np.sqrt((voice**2).mean() / ((bed**2).mean() + 1e-12)) * 10 ** (-snr / 20)
                mixture = (clean + bed).astype(np.float32)
                mixture *= np.float32(min(1.0, 0.8 / np.abs(mixture).max()))
                target = (clean * (np.abs(mixture).max() / np.abs(clean + bed).max())).astype(np.float32)
                denoised = render("denoise", mixture, folder, "--set", f"limit={LIMIT_DB}", "--set", "release=30")
                episode = render("podcast", mixture, folder)
                rate = lambda x: score(target, as_loud(x, target), mixture)
                peak = np.abs(soxr.resample(episode, RATE, OVER * RATE, "VHQ")).max()
                proofs.append(Proof(lang, snr, rate(mixture), rate(denoised), rate(episode), loudness(episode), 20 * np.log10(peak)))
    return proofs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--languages", type=int, default=8)
    parser.add_argument("--snr", type=float, nargs="+", default=[5.0, 15.0])
    args = parser.parse_args()
    proofs = prove(args.languages, args.snr)
    print("| language | SNR, dB | OVRL noisy, denoised, episode | STOI | PESQ | LUFS | dBTP |")
    print("|---|---|---|---|---|---|---|")
    three = lambda proof, key, form: ", ".join(f"{getattr(proof, which)[key]:{form}}" for which in ("noisy", "denoised", "episode"))
    for proof in proofs:
        figures = f"{three(proof, 'ovrl', '.2f')} | {three(proof, 'stoi', '.3f')} | {three(proof, 'pesq', '.2f')}"
        print(f"| {proof.lang} | {proof.snr:.0f} | {figures} | {proof.lufs:.2f} | {proof.peak_dbtp:.2f} |")
    for key in ("ovrl", "stoi", "pesq"):
        print(f"mean {key}: " + ", ".join(f"{which} {np.mean([getattr(p, which)[key] for p in proofs]):.3f}" for which in ("noisy", "denoised", "episode")))


if __name__ == "__main__":
    main()
