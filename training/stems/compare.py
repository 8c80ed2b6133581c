"""Generated songs beside real ones: levels, spectra, width and overlap of the stems.

    python -m training.stems.compare                    # the bank's train part: album against generated

What is compared, for each stem where it is heard: level under the mix, share of seconds in which it is
heard, crest factor, spectrum in octaves relative to its sum, side against middle; for each pair of
stems, the share of their time-frequency energy that collides; and what an ideal ratio mask reaches, which is how
hard the songs are to take apart. Songs in which bass and other are one count for neither.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from ..common.place import RUNS
from .bank import heads, load_song
from .evaluate import HEARD_DB, ideal_masks, in_chunks, sdr
from .frames import RATE, STANDARD, analyse

STEMS = ("vocals", "drums", "bass", "other")
OCTAVES = (31.5, 63, 125, 250, 500, 1000, 2000, 4000, 8000, 16000)
EXCERPT = 20.0
AUDIBLE = 1e-5
"""Mean square of a second in which a stem is taken as heard, -50 dBFS."""


def loudest(stems: dict, seconds: float) -> slice:
    """The stretch in which most stems are heard, a rare one counting for more."""
    mix = sum(stems.values())
    n, m = int(seconds), len(mix) // RATE
    if m <= n:
        return slice(0, len(mix))
    e = np.stack([np.square(v[: m * RATE]).reshape(m, -1).mean(1) for v in stems.values()])
    on = e > AUDIBLE
    heard = (on / np.maximum(on.sum(1, keepdims=True), 1)).sum(0)
    a = int(np.argmax([heard[i : i + n].sum() for i in range(m - n + 1)]))
    return slice(a * RATE, (a + n) * RATE)


def measure(stems: dict, full: bool) -> dict:
    """Figures of one excerpt; `stems` `[n, 2]` by name, bass and other known apart if `full`."""
    mix = sum(stems.values())
    total = np.mean(np.square(mix)) + 1e-12
    out, specs = {"mix crest dB": float(20 * np.log10(np.abs(mix).max() / np.sqrt(total)))}, {}
    seconds = len(mix) // RATE
    for name in STEMS if full else STEMS[:2]:
        x = stems.get(name)
        if x is None:
            continue
        e = np.square(x[: seconds * RATE]).reshape(seconds, -1).mean(1)
        heard = e > total * 10 ** (HEARD_DB / 10)
        out[f"{name} heard"] = float(heard.mean())
        if not heard.any():
            continue
        power = e[heard].mean()
        out[f"{name} level dB"] = float(10 * np.log10(power / total))
        out[f"{name} crest dB"] = float(20 * np.log10(np.abs(x).max() / np.sqrt(power)))
        mid, side = np.square(x.sum(1)).mean(), np.square(x[:, 0] - x[:, 1]).mean()
        out[f"{name} side dB"] = float(10 * np.log10((side + 1e-12) / (mid + 1e-12)))
        spec = analyse(torch.from_numpy(np.ascontiguousarray(x.T)), STANDARD).abs().square().sum(0).numpy()
        specs[name] = spec
        hz = np.arange(spec.shape[1]) * 25.0
        bands = np.array([spec[:, (hz >= f / 2**0.5) & (hz < f * 2**0.5)].sum() for f in OCTAVES]) + 1e-12
        for f, v in zip(OCTAVES, 10 * np.log10(bands / bands.sum())):
            out[f"{name} {f:g} Hz"] = float(v)
        flux = np.diff(np.sqrt(spec).sum(1))
        out[f"{name} onsets"] = float(np.maximum(flux, 0).sum() / (np.sqrt(spec).sum() + 1e-9))
    names = list(specs)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            both = np.minimum(specs[a], specs[b]).sum()
            out[f"{a} x {b} collide"] = float(both / min(specs[a].sum(), specs[b].sum()))
    order = list(STEMS) if full else ["vocals", "drums", "other"]
    true = np.stack([stems.get(k, np.zeros_like(mix)).T for k in order])
    got = in_chunks(true.sum(0), STANDARD, ideal_masks(true, STANDARD))
    for k, name in enumerate(order):
        if full or name != "other":
            if np.square(true[k]).mean() > total * 1e-4:
                out[f"{name} ideal mask dB"] = sdr(true[k], got[k])
    return out


def collect(rows: list[dict]) -> dict:
    keys = dict.fromkeys(k for r in rows for k in r)
    return {k: (float(np.mean(v)), float(np.std(v)), len(v)) for k in keys for v in [[r[k] for r in rows if k in r]]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, default=20, help="at most so many generated songs")
    parser.add_argument("--out", type=Path, default=RUNS / "evaluate" / "compare")
    args = parser.parse_args()
    torch.set_num_threads(1)
    found = {"album": [], "generated": []}
    for part in ("train", "valid"):
        for head in heads(part):
            kind = head["kind"]
            if kind not in found or (kind == "generated" and len(found[kind]) >= args.songs):
                continue
            song = load_song(head)
            if head["label"] == "merged":
                song.stems["other"] = song.stems.get("other", 0) + song.stems.pop("bass", 0)
            at = loudest(song.stems, EXCERPT)
            found[kind].append(measure({k: v[at] for k, v in song.stems.items()}, head["label"] == "full"))
    real, made = collect(found["album"]), collect(found["generated"])
    lines = [f"{len(found['album'])} real songs, {len(found['generated'])} generated; mean and standard deviation", "",
             "| | real | generated | apart by |", "| --- | --- | --- | --- |"]
    for k in dict.fromkeys([*real, *made]):
        a, b = real.get(k), made.get(k)
        cell = lambda v: f"{v[0]:.2f} ± {v[1]:.2f}" if v else ""  # noqa: E731
        gap = f"{b[0] - a[0]:+.2f}" if a and b else ""
        lines.append(f"| {k} | {cell(a)} | {cell(b)} | {gap} |")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.with_suffix(".md").write_text("\n".join(lines) + "\n")
    args.out.with_suffix(".json").write_text(json.dumps({"real": real, "generated": made}, indent=1))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
