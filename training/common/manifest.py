"""What stands in the manifest of every model of ours."""

import hashlib
import json
from pathlib import Path

AUTHORS = "Plainsong contributors"
STATES_NOTE = ["# parity/: one file a tensor, little-endian f32 [frames, ...];",
               "# all states are set to zero before frame 0 and before frame `reset`."]


def card(model: str, name: str, version: str, task: str, licence: str) -> list[str]:
    """The first lines: what the model is."""
    return [f'id = "{model}"', f'name = "{name}"', f'version = "{version}"', f'task = "{task}"',
            f'authors = "{AUTHORS}"', f'license = "{licence}"']


def weights(folder: Path) -> list[str]:
    """The lines of the `model.onnx` in `folder`."""
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    return ['file = "model.onnx"', f'sha256 = "{digest}"', ""]


def tensors(groups: dict[str, dict[str, list[int]]], holds: dict[str, str] | None = None) -> list[str]:
    """A table for each tensor of `inputs`, `outputs` and `states`, by name with its shape; `holds` says of some what they are
    to the engine."""
    lines = []
    for group, named in groups.items():
        for name, shape in named.items():
            held = [f'holds = "{holds[name]}"'] if holds and group != "states" and name in holds else []
            lines += [f"[[{group}]]", f'name = "{name}"', f"shape = {shape}", *held, ""]
    return lines


def parity(frames: int, reset: int, tolerance: float | str, note: list[str] = STATES_NOTE) -> list[str]:
    """What the vectors in `parity/` are."""
    return [*note, "[parity]", f"frames = {frames}", f"reset = {reset}", f"tolerance = {tolerance}", ""]


def write(folder: Path, lines: list[str], figures: dict | None = None) -> None:
    """Writes `manifest.toml`, with measured figures at the end."""
    if figures:
        lines = lines + ["[figures]"] + [f"{k} = {json.dumps(v)}" for k, v in figures.items()] + [""]
    (folder / "manifest.toml").write_text("\n".join(lines))
