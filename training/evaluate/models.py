"""Compares models in Plainsong's own engine: quality on the held-out mixtures beside cost and delay.

``cargo xtask bench denoise --models all`` measures the cost and calls this. Writes ``models.md``,
``models.json`` and ``models.png``.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from ..denoise.mix import Store
from .__main__ import TITLES, Scores, groups, mean, table
from .pairs import make_pairs
from .peers import Engine, Noisy

KEYS = ("pesq", "stoi", "si_sdr", "sig", "bak", "ovrl")


def spread(indices: list[int], count: int | None) -> list[int]:
    """So many of them, evenly spread."""
    if count is None or count >= len(indices):
        return indices
    return [indices[int(i)] for i in np.linspace(0, len(indices) - 1, count)]


def name_points(figure, names: list[tuple]) -> None:
    """Writes names beside their points, each where it covers no other, if there is such a place."""
    from matplotlib.transforms import Bbox

    figure.canvas.draw()
    taken = {}
    for axis, _, at in names:
        x, y = axis.transData.transform(at)
        taken.setdefault(axis, []).append(Bbox.from_bounds(x - 6, y - 6, 12, 12))
    for axis, name, at in names:
        boxes = taken[axis]
        places = [((7, 4), "left"), ((7, -13), "left"), ((-7, 4), "right"), ((-7, -13), "right")]
        for offset, side in places:
            text = axis.annotate(name, at, textcoords="offset points", xytext=offset, ha=side, fontsize=9)
            box = text.get_window_extent()
            if offset == places[-1][0] or not any(box.overlaps(other) for other in boxes):
                break
            text.remove()
        boxes.append(box)


def draw(rows: list[dict], path: Path) -> None:
    """PESQ and DNSMOS against cost and against delay: a point for each model."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(12, 8.5), sharex="col", sharey="row")
    noisy = next(r for r in rows if r["cost"] is None)
    names = []
    across = (("loop_processor_rtf", 1000, "cost: ms of processor time a second of sound"), ("latency_ms", 1, "delay, ms"))
    for line, (quality, label) in zip(axes, (("pesq", "PESQ (wide band)"), ("ovrl", "DNSMOS overall"))):
        line[0].set_ylabel(label + ", mean")
        for axis, (key, factor, _) in zip(line, across):
            axis.axhline(noisy[quality], color="0.6", linestyle="--", linewidth=1)
            axis.text(0.99, noisy[quality], "unprocessed", color="0.4", ha="right", va="bottom",
                      transform=axis.get_yaxis_transform())
            for row in rows:
                if row["cost"] is None:
                    continue
                x = row["cost"][key] * factor
                ours = row["name"].startswith("Plainsong")
                axis.plot(x, row[quality], "s" if ours else "o", color="C1" if ours else "C0")
                names.append((axis, row["name"], (x, row[quality])))
            # Room for the names.
            axis.set_xlim(0, 1.45 * max(row["cost"][key] * factor for row in rows if row["cost"] is not None))
            axis.margins(y=0.15)
            axis.grid(alpha=0.3)
    for axis, (_, _, label) in zip(axes[1], across):
        axis.set_xlabel(label)
    figure.suptitle("Models in Plainsong Denoise: quality against cost and delay")
    figure.tight_layout()
    name_points(figure, names)
    figure.savefig(path, dpi=110)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", type=Path, required=True, help="the program that renders")
    parser.add_argument("--systems", type=Path, required=True, help="names, words for the renderer and cost of each")
    parser.add_argument("--to", type=Path, required=True, help="folder of the results")
    parser.add_argument("--mixtures", type=int, help="so many of the mixtures only")
    args = parser.parse_args()
    everything = make_pairs(Store("test"), "test")
    pairs = [everything[i] for i in spread(groups(everything)["all"], args.mixtures)]
    book, rows = Scores("scores-models.json"), []
    systems = [{"name": "unprocessed", "id": "", "license": "", "cost": None, "words": []}, *json.loads(args.systems.read_text())]
    for system in systems:
        run = Noisy() if system["cost"] is None else Engine(args.engine, extra=system["words"])
        scores = book.run(system["name"], run, pairs, keep=False)
        row = {k: system[k] for k in ("name", "id", "license", "cost")} | {k: mean(scores, k) for k in KEYS}
        print(row["name"], {k: round(row[k], 3) for k in KEYS}, flush=True)
        rows.append(row)
    lines = []
    for row in rows:
        cost = row["cost"]
        shown = [""] * 4 if cost is None else [
            f"{cost['latency_ms']:.1f}", f"{cost['loop_processor_rtf']:.4f}", f"{cost['paced_processor_rtf']:.4f}",
            f"{cost['paced_p50_processor_us']:.0f}, {cost['paced_p99_processor_us']:.0f}"]
        lines.append([row["name"], row["license"], *(row[k] for k in KEYS), *shown])
    head = ["", "licence", *(TITLES[k] for k in KEYS), "delay, ms", "CPU a second of sound", "the same, paced", "p50, p99 of a paced step, us of processor time"]
    text = (f"Means over {len(pairs)} held-out mixtures, one channel at 48 kHz, all in this engine. CPU is processor seconds of one "
            "thread a second of sound: steps in a row, and one step each hop with sleep in between.\n\n") + table(head, lines)
    args.to.mkdir(parents=True, exist_ok=True)
    (args.to / "models.md").write_text(text)
    (args.to / "models.json").write_text(json.dumps({"mixtures": len(pairs), "systems": rows}, indent=1))
    draw(rows, args.to / "models.png")
    print(text)


if __name__ == "__main__":
    main()
