"""Cuts of `render podcast` on held-out recordings: none may lie in labelled speech.

    python -m training.podcast.cuts --xtask target/release/xtask [--talkers 12] [--seconds 300] [--snr 20 10 5]

Utterances of the talkers of `test` stand one after another with gaps of 0.15 to 5 s between them; half of the programmes are clean,
half lie over held-out noise at 5 to 20 dB; with --snr all lie over noise, at each of these. Speech is labelled on the clean utterances: frames of 10 ms within 35 dB of the
utterance's loud frames and over its floor, with pauses of up to 0.2 s between them counted as speech. Printed: hours, cuts, seconds taken out, share of
the silence that could go, cuts that touch labelled speech.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile

RATE = 48_000
HOP = RATE // 100
CACHE = Path("training/cache")
LONGEST, TO = 1.0, 0.5
"""Silences over the first are cut to the second, seconds."""
UNDER_DB = 35.0
"""Frames of an utterance that are quieter than its loud ones by more are not labelled."""
OVER_FLOOR_DB = 10.0
"""Nor are frames that are no louder than an utterance's floor by this."""
JOIN = 20
"""Frames of a pause within an utterance that still counts as speech."""


def labelled(utterance: np.ndarray) -> np.ndarray:
    """Which frames of 10 ms are speech, `[T]`."""
    frames = utterance[: len(utterance) // HOP * HOP].reshape(-1, HOP)
    level = 10 * np.log10((frames**2).mean(1) + 1e-12)
    loud, floor = np.percentile(level, [95, 5])
    # In a recording with a floor of its own that is no speech; what is as loud as speech is.
    speech = level > max(loud - UNDER_DB, min(floor + OVER_FLOOR_DB, loud - 20))
    gap = 0
    for t in range(len(speech)):
        if speech[t]:
            if 0 < gap <= JOIN and gap < t:
                speech[t - gap : t] = True
            gap = 0
        else:
            gap += 1
    return speech


def programme(talker: dict, audio: np.ndarray, noise: np.ndarray | None, seconds: float, random: np.random.Generator, snr: float | None = None):
    """Sound `[N]` and labels `[T]`; noise lies at `snr` dB under speech, or at 5 to 20."""
    parts, labels = [], []
    frames = 0
    for index in random.permutation(len(talker["files"])):
        start, length, _ = talker["files"][index]
        length = min(length, 30 * RATE) // HOP * HOP
        gap = int(random.choice([random.uniform(0.15, 0.9), random.uniform(1.0, 5.0)]) * 100)
        utterance = audio[start : start + length].astype(np.float32) / 32_768
        if length < HOP * 20 or not utterance.any():
            continue
        parts += [np.zeros(gap * HOP, np.float32), utterance]
        labels += [np.zeros(gap, bool), labelled(utterance)]
        frames += gap + length // HOP
        if frames > seconds * 100:
            break
    sound, speech = np.concatenate(parts), np.concatenate(labels)
    level = np.sqrt((sound[np.repeat(speech, HOP)] ** 2).mean())
    if noise is None:
        sound = sound + 10 ** (-60 / 20) * level / 0.1 * random.standard_normal(len(sound)).astype(np.float32) * 0.1
    else:
        bed = np.resize(noise.astype(np.float32) / 32_768, len(sound))
        sound = sound + bed * level / np.sqrt((bed**2).mean() + 1e-12) * 10 ** (-(random.uniform(5, 20) if snr is None else snr) / 20)
    return sound * 0.7 / max(0.7, np.abs(sound).max()), speech


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--xtask", default="target/release/xtask")
    args.add_argument("--talkers", type=int, default=12)
    args.add_argument("--seconds", type=float, default=300.0)
    args.add_argument("--snr", type=float, nargs="+", help="all in noise, at each of these, dB")
    args.add_argument("--seed", type=int, default=1)
    args = args.parse_args()
    random = np.random.default_rng(args.seed)
    talkers = json.loads((CACHE / "speech-test.json").read_text())
    noises = json.loads((CACHE / "noise-test.json").read_text())
    speech, noise = (np.memmap(CACHE / f"{name}-test.i16", np.int16, "r") for name in ("speech", "noise"))
    sums: dict[str, list] = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for number, index in enumerate(random.permutation(len(talkers))[: args.talkers]):
            talker = talkers[index]
            for snr in args.snr or [None]:
                bed = noises[random.integers(len(noises))]
                bed = None if number % 2 == 0 and not args.snr else noise[bed["start"] : bed["start"] + bed["length"]]
                group = "clean" if bed is None else "in noise" if snr is None else f"{snr:.0f} dB"
                sound, truth = programme(talker, speech, bed, args.seconds, random, snr)
                soundfile.write(folder / "in.wav", sound, RATE, "PCM_16")
                words = [args.xtask, "render", "podcast", folder / "in.wav", "-o", folder / "out.wav", "--mark-only", "--overwrite", "--quiet"]
                words += ["--cut-silences", str(LONGEST), "--to", str(TO), "--cut-list", folder / "cuts.json"]
                subprocess.run([str(word) for word in words], check=True)
                found = json.loads((folder / "cuts.json").read_text())["cuts"]
                touched = [cut for cut in found if truth[int(cut["from_seconds"] * 100) : int(cut["to_seconds"] * 100) + 1].any()]
                edges = np.flatnonzero(np.diff(np.concatenate([[True], truth, [True]]).astype(int)))
                gaps = (edges[1::2] - edges[::2]) / 100
                figures = [len(sound) / RATE / 3_600, len(found), sum(cut["seconds"] for cut in found), sum(g - TO for g in gaps if g > LONGEST), len(touched)]
                sums[group] = [a + b for a, b in zip(sums.get(group, [0] * len(figures)), figures)]
                print(f"{talker['key'][:40]:40} {group:8} {figures[1]:4} cuts {figures[2]:6.1f} of {figures[3]:6.1f} s, in speech {figures[4]}", flush=True)
                for cut in touched:
                    print("    ", cut["from_seconds"], cut["to_seconds"])
    for group, (hours, cuts, removed, could, wrong) in sums.items():
        share = 100 * removed / max(could, 1e-9)
        print(f"{group}: {hours:.2f} hours, {cuts} cuts, {removed:.0f} of {could:.0f} s of silence taken out ({share:.0f} %), {wrong} cuts in labelled speech")


if __name__ == "__main__":
    main()
