"""CPU time of the Rust engine beside DeepFilterNet3 and RNNoise, in turn, in one run, on one thread.

    python -m training.evaluate.cost --engine target/release/xtask

Prints processor seconds per second of audio (medians) and the ratio to each peer, pair by pair.
Each figure counts `process` alone: peers in this process, the engine by the difference of two runs
of different length, so that neither loading nor warming up counts.
"""

import argparse
import resource
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np

from ..denoise.frames import RATE
from .peers import DeepFilterNet3, RNNoise

SECONDS = 20


def speech(seconds: int) -> np.ndarray:
    """Generated voiced sound with pauses in noise, [samples]: no data folder is needed."""
    t = np.arange(seconds * RATE) / RATE
    phase = np.cumsum(120 + 30 * np.sin(2 * t)) / RATE % 1
    voiced = np.where(t * 1.3 % 1 < 0.7, (phase - 0.5) * 0.3, 0)
    return (voiced + 0.02 * np.random.default_rng(1).standard_normal(len(t))).astype(np.float32)


def engine(path: Path, seconds: int, extra: list[str]) -> float:
    """Processor seconds of the whole program over `seconds` of audio."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([str(path), "bench", "denoise", "--seconds", str(seconds), "--paced", "0", *extra], check=True,
                   capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    audio = speech(SECONDS)
    peers = {"DeepFilterNet3": DeepFilterNet3(), "RNNoise 0.2": RNNoise()}
    ours = {"Plainsong": [], "Plainsong low latency": ["--set", "low-latency=on"]}
    cost = {name: [] for name in (*ours, *peers)}
    for _ in range(args.rounds):
        for name, extra in ours.items():
            long, short = (engine(args.engine, n * SECONDS, extra) for n in (2, 1))
            cost[name].append((long - short) / SECONDS)
        for name, peer in peers.items():
            start = time.process_time()
            peer(audio)
            cost[name].append((time.process_time() - start) / SECONDS)
    print("| | processor seconds per second of audio | ratio to " + " | ratio to ".join(peers) + " |")
    print("| --- | --- |" + " --- |" * len(peers))
    for name in cost:
        ratios = [statistics.median(a / b for a, b in zip(cost[name], cost[peer])) for peer in peers]
        print(f"| {name} | {statistics.median(cost[name]):.4f} | " + " | ".join(f"{r:.2f}" for r in ratios) + " |")


if __name__ == "__main__":
    main()
