"""Cross-talk, onsets and double talk of `render podcast --multitrack` on real voices in rooms.

    python -m training.podcast.multitrack --xtask target/release/xtask [--scenes 3] [--seconds 120]

Talkers of `test` take turns (one to three utterances, gaps of 0.1 to 1.2 s); a fifth of the turns begin before the last one ends, and
now and then somebody throws in a word. Each voice reaches the other microphones through a held-out room (late, with its delay of 3 to 10 ms)
at -12, -18 or -25 dB under its own microphone; microphones are set up to 12 dB apart and have held-out noise 35 to 45 dB down.
With --late the second recording
begins so many milliseconds later than the others, as one does whose clock has drifted. Rendered twice, with and without sharing (`--crosstalk 0`), tracks are compared where the truth is known. Printed for 2, 3 and 4 talkers:

bleed      energy of a track while others talk and its own talker does not (150 ms away from any word), shared over not shared, dB;
           then the same as the growth of voice over cross-talk from input to output
alone      energy of each turn's labelled speech, shared over not shared, dB: mean and worst turn
both       the same where two talk at once
onset      the same of the first 50 ms of each turn: mean, worst, share of the turns that lose more than 1 dB
cuts       cuts with `--cut-silences 1 --to 0.5`, and those that touch labelled speech of any talker
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from training.podcast.cuts import CACHE, HOP, RATE, labelled

MARGIN = 15
"""Frames around own words that are not counted as silence: 150 ms."""
ONSET = 5
"""Frames of an onset."""
DECAY_S = 0.5
"""Rooms with a longer time to fall by 60 dB are no rooms in which podcasts are made."""


def decay(response: np.ndarray) -> float:
    """Time to fall by 60 dB, from the fall by 20 (Schroeder's integral)."""
    energy = np.cumsum(response[::-1] ** 2)[::-1]
    db = 10 * np.log10(energy / energy[0] + 1e-12)
    return 3 * np.argmax(db < -20) / RATE


def rooms() -> list[np.ndarray]:
    """Held-out responses, direct sound first."""
    found = []
    for early, whole in np.load(CACHE / "rooms-test.npy", mmap_mode="r"):
        response = np.fft.irfft(whole).astype(np.float32)
        first = int(np.argmax(np.abs(response)))
        response = response[first : first + RATE]
        if len(response) > RATE // 4 and decay(response) < DECAY_S:
            found.append(response)
    return found


def through(voice: np.ndarray, response: np.ndarray) -> np.ndarray:
    size = 1 << int(np.ceil(np.log2(len(voice) + len(response))))
    return np.fft.irfft(np.fft.rfft(voice, size) * np.fft.rfft(response, size), size)[: len(voice)].astype(np.float32)


def scene(count: int, bleed_db: float, spread: float, seconds: float, random: np.random.Generator, data: dict):
    """Tracks `[talker][N]`, voices alone `[talker][N]`, labels `[talker][T]`, turns (talker, first frame, last)."""
    talkers = [talker for talker in data["talkers"] if sum(length > RATE for _, length, _ in talker["files"]) > 12]
    chosen = random.choice(len(talkers), count, replace=False)
    length = int(seconds * 100)
    voices = np.zeros((count, length * HOP), np.float32)
    labels = np.zeros((count, length), bool)
    turns = []
    at, who = 50, 0
    while True:
        own = at
        for _ in range(random.integers(1, 4)):
            files = [file for file in talkers[chosen[who]]["files"] if file[1] > RATE // 2]
            start, size, _ = files[random.integers(len(files))]
            size = min(size, 8 * RATE) // HOP * HOP
            sound = data["speech"][start : start + size].astype(np.float32) / 32_768
            truth = labelled(sound)
            frames = size // HOP
            if own + frames + 100 > length or not truth.any():
                break
            if labels[who, own : own + frames].any():
                break
            sound = sound * 0.08 / (np.sqrt((sound[np.repeat(truth, HOP)] ** 2).mean()) + 1e-9)
            # Files are cut at their words: no clicks.
            ramp = np.minimum(1, np.minimum(np.arange(size), np.arange(size)[::-1]) / (0.01 * RATE))
            voices[who, own * HOP : own * HOP + size] += sound * ramp
            labels[who, own : own + frames] |= truth
            edges = np.flatnonzero(truth)
            turns.append((who, own + edges[0], own + edges[-1] + 1))
            own += frames + int(random.uniform(5, 40))
        if own + 300 > length:
            break
        other = (who + random.integers(1, count)) % count
        at = own + int(random.uniform(10, 120)) if random.random() > 0.2 else max(own - int(random.uniform(50, 150)), at + 20)
        who = other
    tracks = voices.copy()
    for mic in range(count):
        for talker in range(count):
            if talker == mic:
                continue
            delay = int(random.uniform(0.003, 0.010) * RATE)
            bled = through(voices[talker], data["rooms"][random.integers(len(data["rooms"]))])
            bled = np.concatenate([np.zeros(delay, np.float32), bled[:-delay]])
            level = np.sqrt((voices[talker] ** 2).sum() / ((bled**2).sum() + 1e-12))
            tracks[mic] += bled * level * 10 ** (bleed_db / 20)
        bed = data["noises"][random.integers(len(data["noises"]))]
        bed = np.resize(data["noise"][bed["start"] : bed["start"] + bed["length"]].astype(np.float32), length * HOP)
        tracks[mic] += bed / (np.sqrt((bed**2).mean()) + 1e-9) * 0.08 * 10 ** (-random.uniform(35, 45) / 20)
        gain = 10 ** (-random.uniform(0, spread) / 20)
        tracks[mic] *= gain
        voices[mic] *= gain
    return tracks, voices, labels, turns


def energy(sound: np.ndarray) -> np.ndarray:
    return (sound[: len(sound) // HOP * HOP].reshape(-1, HOP).astype(np.float64) ** 2).sum(1)


def db(a: float, b: float) -> float:
    return 10 * np.log10((a + 1e-20) / (b + 1e-20))


def widened(label: np.ndarray, frames: int) -> np.ndarray:
    return np.convolve(label, np.ones(2 * frames + 1), "same") > 0.5


def render(xtask: str, folder: Path, count: int, name: str, words: list[str]) -> tuple[list[np.ndarray], dict]:
    inputs = [str(folder / f"{mic}.wav") for mic in range(count)]
    command = [xtask, "render", "podcast", *inputs, "--multitrack", "--no-music", "-o", str(folder / f"{name}.wav"), "--overwrite", "--quiet"]
    command += ["--tracks-to", str(folder / name), "--report", str(folder / f"{name}.json"), *words]
    subprocess.run(command, check=True)
    report = json.loads((folder / f"{name}.json").read_text())
    return [soundfile.read(folder / name / f"{mic}.wav", dtype="float32")[0] for mic in range(count)], report


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--xtask", default="target/release/xtask")
    args.add_argument("--scenes", type=int, default=3)
    args.add_argument("--seconds", type=float, default=120.0)
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--talkers", type=int, nargs="*", default=[2, 3, 4])
    args.add_argument("--late", type=int, default=0, help="milliseconds, a multiple of 10")
    args.add_argument("--verbose", action="store_true")
    args = args.parse_args()
    random = np.random.default_rng(args.seed)
    data = {
        "talkers": json.loads((CACHE / "speech-test.json").read_text()),
        "noises": json.loads((CACHE / "noise-test.json").read_text()),
        "speech": np.memmap(CACHE / "speech-test.i16", np.int16, "r"),
        "noise": np.memmap(CACHE / "noise-test.i16", np.int16, "r"),
        "rooms": rooms(),
    }
    for count in args.talkers:
        bleeds, growths, alones, boths, onsets, levels = [], [], [], [], [], []
        cuts = wrong = 0
        for number in range(args.scenes):
            bleed_db = (-12.0, -18.0, -25.0)[number % 3]
            tracks, voices, labels, turns = scene(count, bleed_db, 12.0, args.seconds, random, data)
            late = [args.late // 10 if mic == 1 else 0 for mic in range(count)]
            with tempfile.TemporaryDirectory() as folder:
                folder = Path(folder)
                for mic, track in enumerate(tracks):
                    moved = np.concatenate([np.zeros(late[mic] * HOP, np.float32), track])[: len(track)]
                    soundfile.write(folder / f"{mic}.wav", moved, RATE, "FLOAT")
                shared, report = render(args.xtask, folder, count, "shared", ["--cut-silences", "1", "--to", "0.5", "--mark-only", "--cut-list", str(folder / "cuts.json")])
                plain, _ = render(args.xtask, folder, count, "plain", ["--crosstalk", "0"])
                found = json.loads((folder / "cuts.json").read_text())["cuts"]
            anybody = labels.any(0)
            cuts += len(found)
            wrong += sum(anybody[int(cut["from_seconds"] * 100) : int(cut["to_seconds"] * 100) + 1].any() for cut in found)
            for mic in range(count):
                # In the time of the scene.
                before, after = (np.pad(energy(out[mic])[late[mic] :], (0, late[mic])) for out in (plain, shared))
                source = energy(tracks[mic])
                others = np.delete(labels, mic, 0).any(0)
                silent = others & ~widened(labels[mic], MARGIN)
                own = labels[mic] & ~others
                bleeds.append(db(before[silent].sum(), after[silent].sum()))
                growths.append(db(after[own].mean(), after[silent].mean()) - db(source[own].mean(), source[silent].mean()))
                levels.append(db(after[labels[mic]].mean(), 1))
                for talker, first, last in turns:
                    if talker != mic:
                        continue
                    spot = np.zeros(len(anybody), bool)
                    spot[first:last] = labels[mic, first:last]
                    for where, into in ((spot & ~others, alones), (spot & others, boths)):
                        if where.sum() >= 5:
                            into.append(db(after[where].sum(), before[where].sum()))
                    onsets.append(db(after[first : first + ONSET].sum(), before[first : first + ONSET].sum()))
                    if args.verbose and (onsets[-1] < -1 or (spot.any() and db(after[spot].sum(), before[spot].sum()) < -1)):
                        print(f"    mic {mic} {first / 100:.2f}-{last / 100:.2f} s bleed {bleed_db}: onset {onsets[-1]:.1f}, whole {db(after[spot].sum(), before[spot].sum()):.1f} dB")
            if args.verbose:
                told = [(t["cross_talk_from_db"], t["cross_talk_reduction_db"], t["share_of_talk"]) for t in report["podcast"]["tracks"]]
                print("  ", bleed_db, [f"{x:.1f}" for x in bleeds[-count:]], [f"{x:.1f}" for x in growths[-count:]], told)
        onset, together = np.array(onsets), np.array(boths or [np.nan])
        print(
            f"{count} talkers, {len(onsets)} turns: bleed {np.mean(bleeds):.1f} (worst {np.min(bleeds):.1f}), voice over cross-talk +{np.mean(growths):.1f} "
            f"(worst +{np.min(growths):.1f}); alone {np.mean(alones):.2f} (worst {np.min(alones):.2f}), both {together.mean():.2f} (worst {together.min():.2f}) "
            f"of {len(boths)}; onset {onset.mean():.2f} (worst {onset.min():.2f}, {100 * np.mean(onset < -1):.1f} % under -1); "
            f"talkers' levels within {np.ptp(levels):.1f} dB; {cuts} cuts, {wrong} in speech"
        )


if __name__ == "__main__":
    main()
