"""Measures the shipped de-esser beside its peers, in one run.

    python -m training.deess.protocol                             # models/deess, in the Python reference of the engine
    python -m training.deess.protocol --engine target/release/xtask   # ours through the Rust renderer as well
    python -m training.deess.protocol --part valid --checkpoint training/runs/deess/last.pt --quick
    python -m training.deess.protocol --card                      # also writes CARD.md and the manifest's figures

Decisions belong on `valid`; `test` is for published figures. Tables go to training/runs/deess-protocol/.
"""

import argparse
import hashlib
import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf
import torch

from ...common.trainer import prepare_process
from ...denoise.prepare import CACHE
from .. import labels as lab
from ..bands import HOP_MS, MODES, RATE, matrix, reduction_centres
from ..export import load_onnx
from ..mix import Mixer, Store
from ..net import Net
from . import sounds
from .peers import FILTERS, Peer
from .reference import Reference, apply, basis
from .score import boosted_figures, heard_figures, merge, sdr
from .speech import BOOST_DB, BOOST_HZ, Utterance, recorded, synthetic

ROOT = Path(__file__).parents[3]
OUT = Path(__file__).parents[2] / "runs" / "deess-protocol"
LEVELS_DB = (-12.0, -24.0)
LATE_MS = (10, 20)
LEVELS_EVERY = 4
FIGURES = ("error", "reduction", "sdr", "vowel", "tkfh")


class Engine:
    """The Rust renderer with default settings."""

    def __init__(self, xtask: Path, mode: str = "voice"):
        self.command = [str(xtask.resolve()), "render", "deess"]
        self.mode = mode

    def __call__(self, x: np.ndarray) -> np.ndarray:
        with tempfile.TemporaryDirectory() as d:
            a, b = Path(d) / "a.wav", Path(d) / "b.wav"
            sf.write(a, x, RATE, subtype="FLOAT")
            done = subprocess.run([*self.command, str(a), "-o", str(b)], capture_output=True, text=True, cwd=ROOT)
            if done.returncode:
                raise RuntimeError(f"{' '.join(self.command)}: {done.stderr.strip()}")
            y, _ = sf.read(b)
        return y[: len(x)]


def oracle(u: Utterance, late_ms: float = 0.0) -> np.ndarray:
    """The true reductions of the boost, in the engine's bands and hops, `late_ms` late."""
    hz = np.arange(241) * 100.0
    inside = (hz >= BOOST_HZ[0]) & (hz <= BOOST_HZ[1])
    gain = np.where(inside, 10 ** (BOOST_DB / 20), 1.0) @ matrix(at=reduction_centres())
    hops = len(u.natural) // lab.HOP
    mask, late = np.zeros(hops), int(late_ms / HOP_MS)
    for a, b, *_ in u.sibilants():
        mask[int(a) + late : int(np.ceil(b)) + late] = 1
    return mask[:, None] * (20 * np.log10(gain))[None]


class Kept:
    """Figures of the peers and of the truth, kept on disk by the hash of what was scored and how."""

    VERSION = "1"
    """To be changed with the scores."""

    def __init__(self):
        self.path = CACHE / "deess-scores.json"
        self.known = json.loads(self.path.read_text()) if self.path.exists() else {}

    def get(self, system: str, u: Utterance, make) -> dict:
        given = hashlib.sha256(u.boosted.tobytes() + repr(u.sounds).encode()).hexdigest()[:24]
        key = f"{self.VERSION} {system} {given}"
        if key not in self.known:
            self.known[key] = make()
            if len(self.known) % 20 == 0:
                self.save()
        return self.known[key]

    def save(self):
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.known))
        os.replace(part, self.path)


def score(process, utterances: list, levels: bool, kept: Kept | None = None, system: str = "") -> dict:
    """Figures of a system, `process(u, x)` being its output for `x` of utterance `u`; changes at lower levels are
    of every `LEVELS_EVERY`th utterance against the same at its own level."""
    rows, changes = [], {k: {} for k in LEVELS_DB}

    def measure(u, lower):
        out = {"at 0": boosted_figures(u, process(u, u.boosted)), "idle": [sdr(u.natural, process(u, u.natural))]}
        for level in LEVELS_DB if lower else ():
            scale = 10 ** (level / 20)
            out[f"at {level}"] = boosted_figures(u, process(u, u.boosted * scale), scale)
        return out

    for i, u in enumerate(utterances):
        lower = levels and i % LEVELS_EVERY == 0
        got = kept.get(f"{system} {lower}", u, lambda: measure(u, lower)) if kept else measure(u, lower)
        for level in LEVELS_DB if lower else ():
            for k in FIGURES:
                changes[level].setdefault(k, []).append(mean(got[f"at {level}"][k]) - mean(got["at 0"][k]))
        rows.append(got["at 0"] | {"idle": got["idle"]})
    groups = {g: merge([r for r, u in zip(rows, utterances) if u.group == g]) for g in sorted({u.group for u in utterances})}
    return {"all": merge(rows), "groups": groups,
            "changes": {level: {k: float(np.nanmean(v)) for k, v in c.items()} for level, c in changes.items() if c}}


def mean(v) -> float:
    return float(np.mean(v)) if len(v) else float("nan")


def idle(v) -> str:
    """Median and lowest tenth, since outputs that are the input's own bits count as 100 dB."""
    return f"{np.median(v):.1f} ({np.percentile(v, 10):.1f})" if len(v) else ""


def middle(m: dict) -> dict:
    """Means of lists of figures; the median of `idle`."""
    return {k: float(np.median(v)) if k == "idle" else mean(v) for k, v in m.items()}


def table(head: list[str], lines: list[list]) -> str:
    def cell(v):
        return "" if isinstance(v, float) and np.isnan(v) else f"{v:.2f}" if isinstance(v, float) else str(v)

    return "\n".join("| " + " | ".join(map(cell, row)) + " |" for row in [head, ["---"] * len(head), *lines]) + "\n"


HEAD = ["", "error", "reduction", "SDR", "vowels", "t k f h", "needs nothing, median (lowest tenth)",
        *(f"change at {level:.0f} dB: error, reduction, SDR" for level in LEVELS_DB)]


def line(name: str, got: dict) -> list:
    def at(level):
        c = got["changes"].get(level)
        return f"{c['error']:+.2f}, {c['reduction']:+.2f}, {c['sdr']:+.1f}" if c else ""

    m = got["all"]
    return [name, mean(m["error"]), mean(m["reduction"]), mean(m["sdr"]), f"{mean(m['vowel']):.3f}", mean(m["tkfh"]),
            idle(m.get("idle", [])), *(at(level) for level in LEVELS_DB)]


def heard(net: Net, utterances: list) -> list[list]:
    """Recall and false alarms by group, on speech as it is and on boosted speech."""
    lines, groups = [], sorted({u.group for u in utterances})
    rows = {g: {"natural": [], "boosted": []} for g in groups}
    ours = Reference(net)
    for u in utterances:
        for kind, x in (("natural", u.natural), ("boosted", u.boosted)):
            r = ours.decide(x)
            rows[u.group][kind].append(heard_figures(u, ours.classes, r))
    for g in [*groups, "all"]:
        cells = [g, sum(len(u.sibilants()) for u in utterances if g in (u.group, "all"))]
        for kind in ("natural", "boosted"):
            m = merge([r for h in groups for r in rows[h][kind] if g in (h, "all")])
            cells += [f"{100 * mean(m['recall']):.1f}", f"{100 * mean(m['hops']):.1f}", f"{100 * mean(m['touched']):.2f}"]
        lines.append(cells)
    return lines


def confusion(net: Net, utterances: list) -> list[list]:
    """Share of the sounding hops of each labelled class that the net calls each class, %."""
    counts, ours = np.zeros((7, 6)), Reference(net)
    for u in utterances:
        ours.decide(u.natural)
        called = ours.classes.argmax(1)
        for a, b, k, vowel, _ in u.sounds:
            row = 6 if vowel else k
            if row or vowel:
                np.add.at(counts, (row, called[int(a) : int(b)]), 1)
    names = ("", "s z", "sh zh ch j", "f v th", "breath", "t k p h", "vowels")
    return [[names[k], int(counts[k].sum()), *(f"{100 * v:.1f}" for v in counts[k] / counts[k].sum())]
            for k in range(1, 7) if counts[k].sum()]


def packs(net: Net, part: str, seconds: float = 20.0) -> list[list]:
    """Music, drums and noise where there is no sibilant: hops with more than 1 dB of reduction, by mode."""
    store, lines, ours = Store(part), [], Reference(net)
    mixer = Mixer(store, seconds, 5)
    for name, source in (("noise", store.noise), ("music", store.music), ("drum hits and loops", store.hits),
                         ("instruments", store.other)):
        pieces = [p for p in source.pieces if "On_the_run" not in p["key"] and "on_the_run" not in p["key"]][:60]
        cells, total = [name, len(pieces)], 0
        for mode in range(len(MODES)):
            over, most = 0, []
            total = 0
            for p in pieces:
                n = min(p["length"], int(seconds * RATE))
                x = source.audio[p["start"] : p["start"] + n].astype(np.float32) / 32768
                r = ours.decide(x, mode).max(1)
                over, total = over + int((r > 1).sum()), total + len(r)
                most.append(float(r.max()) if len(r) else 0.0)
            cells.append(f"{100 * over / max(total, 1):.2f} % ({np.median(most):.1f}, {max(most):.1f})")
        lines.append(cells)
    del mixer
    return lines


def report(net: Net, part: str, engine: Path | None, quick: bool, peers: bool, amount: float = 1.0) -> tuple[str, dict]:
    speech = [u.raise_sibilants() for u in synthetic(part, 10.0)]
    real = [u.raise_sibilants() for u in recorded(part, each=1 if quick else 2)]
    ours, taps = Reference(net, amount), basis()
    systems = {"nothing": lambda u, x: x}
    if peers:
        systems |= {name: (lambda p: lambda u, x: p(x))(Peer(chain)) for name, chain in FILTERS.items()}
    systems["Plainsong, reference"] = lambda u, x: ours(x)
    if engine:
        rust = Engine(engine)
        systems["Plainsong, engine"] = lambda u, x: rust(x)
    late = {f"oracle, {ms} ms late": ms for ms in LATE_MS}
    kept, engine_key = Kept(), hashlib.sha256(taps.tobytes()).hexdigest()[:12]
    text, data = "", {}
    for title, us in (("Synthetic speech", speech), ("Recorded speech, labels by analysis", real)):
        lines = []
        for name, f in systems.items():
            got = score(f, us, not quick, kept if name in FILTERS else None, FILTERS.get(name, ""))
            lines.append(line(name, got))
            data.setdefault(title, {})[name] = middle(got["all"]) | {
                "changes": {str(k): v for k, v in got["changes"].items()},
                "groups": {g: middle(m) for g, m in got["groups"].items()}}
        for name, ms in {"oracle": 0, **late}.items():
            got = merge([kept.get(f"oracle {ms} {engine_key}", u, lambda: boosted_figures(u, apply(u.boosted, oracle(u, ms), taps)))
                         for u in us])
            lines.append(line(name, {"all": got, "changes": {}}))
        minutes = sum(len(u.natural) for u in us) / RATE / 60
        text += f"**{title}** ({len(us)} utterances, {minutes:.1f} min, {sum(len(u.sibilants()) for u in us)} sibilants)\n\n"
        text += table(HEAD, lines) + "\n"
        head = ["", "sibilants", "natural: recall %", "hops %", "vowel hops touched %", "+9 dB: recall %", "hops %", "touched %"]
        rows = heard(net, us)
        data[title]["heard"] = rows
        text += table(head, rows) + "\n"
        rows = confusion(net, us)
        data[title]["confusion"] = rows
        text += table(["heard as, % of hops", "hops", "none", "s", "sh", "f", "breath", "plosive"], rows) + "\n"
    kept.save()
    rows = sounds.table_rows(net, part)
    data["sounds"] = rows
    text += "**Each class of sound**, by hops\n\n" + table(["", "class", "hops", "recall %", "precision %"], rows) + "\n"
    rows = packs(net, part, 8.0 if quick else 16.0)
    data["packs"] = rows
    text += "**Where there is no sibilant**: hops with over 1 dB (median and largest of the files' maxima, dB)\n\n"
    text += table(["", "files", *MODES], rows)
    return text, data


def load(checkpoint: Path | None) -> Net:
    """The averaged weights of a trainer's file, or the shipped ones."""
    if not checkpoint:
        return load_onnx(ROOT / "models" / "deess" / "model.onnx")
    net = Net()
    net.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=False)["ema"])
    return net


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=("valid", "test"), default="test")
    parser.add_argument("--checkpoint", type=Path, help="a trainer's file in place of models/deess")
    parser.add_argument("--engine", type=Path, help="xtask, to measure the Rust engine as well")
    parser.add_argument("--quick", action="store_true", help="fewer recordings, shorter music, no lower levels")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--card", action="store_true", help="write models/deess/CARD.md and the manifest's figures")
    parser.add_argument("--amount", type=float, default=1.0, help="of the reference engine where errors are measured")
    args = parser.parse_args()
    if args.card and args.amount != 1:
        parser.error("the card's figures are those of --amount 1")
    prepare_process(1)
    net = load(args.checkpoint)
    text, data = report(net, args.part, args.engine, args.quick, not args.no_peers, args.amount)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{args.part}.md").write_text(text)
    (OUT / f"{args.part}.json").write_text(json.dumps(data))
    print(text)
    if args.card:
        from .card import write_card

        write_card(ROOT / "models" / "deess", net, text, data)


if __name__ == "__main__":
    main()
