"""Scores the shipped models and their peers on the held-out mixtures, in one run.

    python -m training.evaluate                           # models/denoise and models/denoise-low
    python -m training.evaluate --engine target/release/xtask
    python -m training.evaluate --card                    # also writes CARD.md and the manifests' figures
    python -m training.evaluate --checkpoint training/runs/standard/last.pt --quick

Tables go to training/runs/evaluate/ as Markdown and JSON. Scores are kept in training/cache by
the hash of what was scored, so peers are run once.
"""

import argparse
import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np

from ..denoise.export import Stepper, load_onnx, write, write_manifest
from ..denoise.frames import MODES
from ..denoise.mix import Store
from ..denoise.prepare import CACHE
from .metrics import score
from .pairs import make_pairs
from .peers import Engine, Ours, peers

ROOT = Path(__file__).parents[2]
OUT = Path(__file__).parents[1] / "runs" / "evaluate"
MAIN = ("pesq", "stoi", "si_sdr", "sig", "bak", "ovrl")
TITLES = {"pesq": "PESQ", "stoi": "STOI", "si_sdr": "SI-SDR", "sig": "SIG", "bak": "BAK", "ovrl": "OVRL"}
SHIFT = "scores 2"
"""Part of the cache's keys; to be changed with the metrics."""


class Scores:
    """Scores by system and pair, kept on disk for the peers."""

    def __init__(self, file: str = "scores.json"):
        self.path = CACHE / file
        self.known = json.loads(self.path.read_text()) if self.path.exists() else {}

    def save(self):
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.known))
        os.replace(part, self.path)

    def run(self, name: str, system, pairs, keep: bool, mos: bool = True) -> list[dict]:
        out = []
        for p in pairs:
            key = f"{SHIFT} {name} {p.key}"
            if keep and key in self.known:
                out.append(self.known[key])
                continue
            y = system(p.mixture)
            full = f"{SHIFT} {p.key} {hashlib.sha256(np.ascontiguousarray(y).tobytes()).hexdigest()[:16]}"
            if full not in self.known and not mos:
                out.append(score(p.target, y, p.mixture, mos=False))
                continue
            if full not in self.known:
                self.known[full] = score(p.target, y, p.mixture)
            out.append(self.known[full])
            if keep:
                self.known[key] = out[-1]
            if len(out) % 20 == 0:
                self.save()
        self.save()
        return out


def mean(rows: list[dict], key: str) -> float:
    got = [r[key] for r in rows if key in r]
    return float(np.mean(got)) if got else float("nan")


def table(head: list[str], lines: list[list]) -> str:
    def cell(v):
        return "" if isinstance(v, float) and np.isnan(v) else f"{v:.2f}" if isinstance(v, float) else str(v)

    rows = [head, ["---"] * len(head)] + [[cell(v) for v in line] for line in lines]
    return "\n".join("| " + " | ".join(r) + " |" for r in rows) + "\n"


def groups(pairs) -> dict[str, list[int]]:
    """Named index lists of the pairs with noise (music apart)."""
    base = [i for i, p in enumerate(pairs) if p.snr is not None and p.noise != "music"]
    out = {"all": base}
    for snr in sorted({pairs[i].snr for i in base}):
        out[f"SNR {snr} dB"] = [i for i in base if pairs[i].snr == snr]
    for room in ("dry", "reverberant"):
        out[room] = [i for i in base if pairs[i].room == room]
    for pitch in ("below 165 Hz", "165-230 Hz", "above 230 Hz"):
        out[f"voice {pitch}"] = [i for i in base if pairs[i].pitch == pitch]
    for lang in sorted({pairs[i].lang for i in base}):
        out[f"language {lang}"] = [i for i in base if pairs[i].lang == lang]
    out["babble"] = [i for i in base if pairs[i].noise == "babble"]
    out["music at 5 dB"] = [i for i, p in enumerate(pairs) if p.noise == "music"]
    return {k: v for k, v in out.items() if v}


def share(scores: dict, ours: str, index: list[int], key: str) -> float:
    """(ours - noisy) / (DeepFilterNet3 - noisy)."""
    a, b, c = (mean([scores[n][i] for i in index], key) for n in (ours, "noisy", "DeepFilterNet3"))
    return (a - b) / (c - b) if c != b else float("nan")


def report(scores: dict, pairs, ours: list[str]) -> tuple[str, dict]:
    """The Markdown text and the same figures as a dictionary."""
    text, data, part = [], {}, groups(pairs)
    names = list(scores)
    for title in ("all", "dry", "reverberant", "music at 5 dB"):
        if title not in part:
            continue
        rows = [[n] + [mean([scores[n][i] for i in part[title]], k) for k in MAIN] for n in names]
        text.append(f"**{title}** ({len(part[title])} mixtures)\n\n" + table(["", *TITLES.values()], rows))
    for name in ours:
        keys = ("pesq", "stoi", "si_sdr", "ovrl")
        rows = []
        for g, index in part.items():
            row = [g]
            for k in keys:
                a, b = (mean([scores[n][i] for i in index], k) for n in ("noisy", name))
                row.append(f"{a:.2f} → {b:.2f}")
            if "DeepFilterNet3" in scores:
                row += [share(scores, name, index, "pesq"), share(scores, name, index, "ovrl")]
            rows.append(row)
        head = ["noisy → " + name] + [TITLES[k] for k in keys] + ["gain share PESQ", "gain share OVRL"]
        text.append(f"**{name} by group** (gain share: ours − noisy over DeepFilterNet3 − noisy)\n\n"
                    + table(head[: len(rows[0])], rows))
    fine = [("sibilants", "sibilants"), ("sibilants_worst", "worst tenth"), ("onsets", "onsets"),
            ("onsets_worst", "worst tenth"), ("speech", "speech level"), ("pauses", "noise in pauses")]
    rows = [[n] + [mean([scores[n][i] for i in part["all"]], k) for k, _ in fine] for n in names]
    text.append("**Details** (dB; sibilants, onsets and speech: output against target; pauses: output "
                "against mixture)\n\n" + table(["", *[t for _, t in fine]], rows))
    clean = [i for i, p in enumerate(pairs) if p.snr is None]
    if clean:
        rows = [[n] + [mean([scores[n][i] for i in clean], k) for k in ("pesq", "si_sdr", "ovrl", "sibilants", "speech")]
                for n in names if n != "noisy"]
        text.append(f"**Clean speech in** ({len(clean)} talkers)\n\n"
                    + table(["", "PESQ", "SI-SDR", "OVRL", "sibilants", "speech level"], rows))
    for n in names:
        data[n] = {g: {k: round(mean([scores[n][i] for i in index], k), 4) for k in MAIN} for g, index in part.items()}
        data[n]["details"] = {k: round(mean([scores[n][i] for i in part["all"]], k), 2) for k, _ in fine}
        if clean:
            data[n]["clean in"] = {k: round(mean([scores[n][i] for i in clean], k), 3) for k in ("pesq", "si_sdr", "ovrl")}
    if "DeepFilterNet3" in scores:
        for n in ours:
            data[n]["gain share"] = {k: round(share(scores, n, part["all"], k), 3) for k in MAIN}
    return "\n".join(text), data


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", choices=MODES, help="one model only")
    parser.add_argument("--model", type=Path, help="another model.onnx (with --mode)")
    parser.add_argument("--checkpoint", type=Path, help="a trainer's file instead of the shipped model")
    parser.add_argument("--raw", action="store_true", help="its last weights, not the averaged")
    parser.add_argument("--exponent", type=float, nargs="*", default=[], help="also score masks with this power")
    parser.add_argument("--engine", type=Path, help="render ours with this program")
    parser.add_argument("--quick", action="store_true",
                        help="ours only, without DNSMOS; peers from the cache where they are complete")
    parser.add_argument("--part", choices=("test", "valid"), default="test",
                        help="held-out part: valid for decisions, test for what is published")
    parser.add_argument("--card", action="store_true", help="write CARD.md and the manifests' figures")
    parser.add_argument("--name", default="evaluate", help="name of the result files")
    args = parser.parse_args()
    modes = [MODES[args.mode]] if args.mode else list(MODES.values())
    if args.checkpoint:
        import torch

        from ..denoise.net import Net

        saved = torch.load(args.checkpoint, map_location="cpu", weights_only=False)
        net = Net(saved["blocks"])
        net.load_state_dict(saved["net" if args.raw else "ema"])
        modes = [MODES[saved["mode"]]]
        folder = Path(tempfile.mkdtemp())
        write(net, modes[0], folder)
        args.model = folder / "model.onnx"
    if args.card and args.part != "test":
        parser.error("a card holds the scores of the test part: leave --part out")
    pairs = make_pairs(Store(args.part), args.part)
    book, scores, ours = Scores(), {}, []
    for name, system in peers().items():
        if not args.quick or all(f"{SHIFT} {name} {p.key}" in book.known for p in pairs):
            scores[name] = book.run(name, system, pairs, keep=True)
            print(name, {k: round(mean([scores[name][i] for i in groups(pairs)["all"]], k), 3) for k in MAIN}, flush=True)
    for mode in modes:
        model = args.model or ROOT / "models" / mode.model_id / "model.onnx"
        for e in [1.0, *args.exponent]:
            name = "Plainsong" + ("" if mode.name == "standard" else " low latency") + (f" ^{e}" if e != 1 else "")
            system = Engine(args.engine, mode) if args.engine else Ours(model, mode, e)
            scores[name] = book.run(name, system, pairs, keep=False, mos=not args.quick)
            ours.append(name)
    text, data = report(scores, pairs, ours)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{args.name}.md").write_text(text)
    (OUT / f"{args.name}.json").write_text(json.dumps(data, indent=1))
    print(text)
    if args.card:
        from .card import write_card

        for mode, name in zip(modes, ours):
            folder = ROOT / "models" / mode.model_id
            write_card(folder, mode, name, scores, pairs, report)
            d = data[name]
            figures = {f"{k}": round(d["all"][k], 3) for k in MAIN}
            figures |= {f"noisy_{k}": round(data["noisy"]["all"][k], 3) for k in MAIN}
            figures |= {"clean_in_pesq": d["clean in"]["pesq"], "clean_in_si_sdr": d["clean in"]["si_sdr"]}
            figures = {k: v for k, v in figures.items() if not np.isnan(v)}
            write_manifest(load_onnx(folder / "model.onnx"), mode, folder, figures)


if __name__ == "__main__":
    main()
