"""Folders of the trainings."""

from pathlib import Path

TRAINING = Path(__file__).parents[1]
CACHE = TRAINING / "cache"
RUNS = TRAINING / "runs"
