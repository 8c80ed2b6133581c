"""Scores on whole real songs that never trained, and on held-out dialogue.

    python -m training.stems.evaluate --model models/stems                 # a folder or a trainer's .pt; several
    python -m training.stems.evaluate --part valid --model training/runs/stems/last.pt
    python -m training.stems.evaluate --task dialogue --model models/dialogue
    python -m training.stems.evaluate --card --model models/stems          # writes the model's card
    python -m training.stems.evaluate --museval --model models/stems       # also BSS Eval v4, slow

In the same run: the mix as every stem, a quarter of the mix, a classical causal separator (median
harmonic-percussive, the stereo centre, a bass split) and the ideal ratio mask in the same framing. uSDR is
10 log10 of a stem's power over its error's over a whole song (Mitsufuji et al. 2022), and a table's figure is the mean over
songs; SI-SDR allows a gain; cSDR is the
median over seconds in which the stem is heard. Tables go to training/runs/evaluate/.
"""

import argparse
import json
import zlib
from pathlib import Path

import numpy as np
import torch

from ..common.place import RUNS
from .bank import heads, load_song
from .card import songs_table, write_card
from .export import load
from .frames import MODES, RATE, STANDARD, Mode, analyse, windows
from .mix import Bank, Mixer, Recipe
from .net import TASKS, full_mask, level_keep

CHUNK = 500
"""Frames that a net takes at once."""
HEARD_DB = -40.0
"""A second counts for a stem that is not further below the mix than this."""
DIALOGUE_DB = (-5, 0, 5, 10, 20)


def in_chunks(x: np.ndarray, mode: Mode, masks) -> np.ndarray:
    """Stems `[S + 1, 2, n]` of `x` `[2, n]`, the last the rest, with `masks(spectra [2, T, 961], first frame)` giving
    `[S, 2, T, 961]` for consecutive chunks."""
    n, hop = mode.samples()
    _, synthesis = windows(mode)
    scale = windows(mode)[0].sum() / 2
    length = x.shape[1]
    frames = -(-length // hop) + n // hop - 1
    padded = np.pad(x, ((0, 0), (n - hop, frames * hop - length))).astype(np.float32)
    out = None
    for at in range(0, frames, CHUNK):
        t = min(CHUNK, frames - at)
        part = torch.from_numpy(padded[:, at * hop : (at + t - 1) * hop + n])
        # frames begin within the padding: the analysis' own zeros are cut off again
        spec = analyse(part, mode)[:, n // hop - 1 :]
        m = masks(spec, at)
        y = m * spec.numpy()[None]
        if out is None:
            out = np.zeros((len(y) + 1, 2, frames * hop + n), np.float32)
        seg = np.fft.irfft(y, n) * synthesis * scale
        for i in range(t):
            out[:-1, :, (at + i) * hop : (at + i) * hop + n] += seg[:, :, i]
    out = out[..., n - hop : n - hop + length]
    out[-1] = x - out[:-1].sum(0)
    return out


def net_masks(net, mode: Mode):
    """Masks by a net that carries its states from chunk to chunk."""
    net.eval()
    state = {k: torch.zeros(s) for k, s in net.state_shapes().items()}

    @torch.no_grad()
    def masks(spec, _):
        nonlocal state
        low, high, state = net(spec[None], level_keep(mode), state)
        return full_mask(low, high)[0].numpy()

    return masks


def ideal_masks(stems: np.ndarray, mode: Mode):
    """The ideal ratio mask |S| / sum |S| of the true stems `[K, 2, n]`, a bound for real masks."""
    n, hop = mode.samples()
    length = stems.shape[-1]
    frames = -(-length // hop) + n // hop - 1
    padded = np.pad(stems, ((0, 0), (0, 0), (n - hop, frames * hop - length))).astype(np.float32)

    def masks(spec, at):
        t = spec.shape[1]
        part = torch.from_numpy(padded[..., at * hop : (at + t - 1) * hop + n])
        e = analyse(part, mode)[..., n // hop - 1 :, :].abs().square().numpy() + 1e-12
        return (e / e.sum(0))[:-1].astype(np.complex64)

    return masks


def median(x: np.ndarray, n: int) -> np.ndarray:
    """Running medians of an odd `n` values along the last axis: `[..., m]` to `[..., m - n + 1]`."""
    return np.partition(np.lib.stride_tricks.sliding_window_view(x, n, -1), n // 2)[..., n // 2]


def classical_masks(sources: int):
    """A causal separator without training: percussive against harmonic by medians over the past 0.2 s and
    over 500 Hz (after Fitzgerald 2010), the harmonic part split at 150 Hz into bass, and its centre of
    the stereo image between 150 Hz and 8 kHz as vocals."""
    past, before = 20, None

    def masks(spec, _):
        nonlocal before
        z = spec.numpy()
        mag = np.abs(z).mean(0)
        whole = np.concatenate([np.repeat(mag[:1], past, 0) if before is None else before, mag])
        before = whole[-past:]
        harmonic = median(whole.T, past + 1).T
        percussive = median(np.pad(mag, ((0, 0), (10, 10)), "symmetric"), 21)
        share = harmonic**2 / (harmonic**2 + percussive**2 + 1e-12)
        centre = 2 * np.abs((z[0] * z[1].conj()).real) / (np.abs(z[0]) ** 2 + np.abs(z[1]) ** 2 + 1e-12)
        hz = np.arange(mag.shape[1]) * 25.0
        low, voice = (hz < 150).astype(float), ((hz >= 150) & (hz < 8000)).astype(float)
        vocals = share * centre**8 * voice
        if sources == 1:
            return np.broadcast_to(vocals[None, None], (1, *z.shape)).astype(np.complex64)
        m = np.stack([vocals, 1 - share, share * low])
        return np.broadcast_to(m[:, None], (3, *z.shape)).astype(np.complex64)

    return masks


def sdr(target: np.ndarray, estimate: np.ndarray) -> float:
    """10 log10 of the power of `[2, n]` over its error's, in dB."""
    e = np.square(target - estimate, dtype=np.float64).sum()
    return float(10 * np.log10((np.square(target, dtype=np.float64).sum() + 1e-9) / (e + 1e-9)))


def si_sdr(target: np.ndarray, estimate: np.ndarray) -> float:
    """Scale-invariant SDR in dB (Le Roux et al. 2019) of `[2, n]`."""
    t = target.astype(np.float64)
    return sdr(t * ((t * estimate).sum() / (np.square(t).sum() + 1e-12)), estimate)


def scores(names: list[str], true: np.ndarray, got: np.ndarray, bss: bool) -> dict:
    """uSDR and cSDR by stem for stems `[K, 2, n]`; stems that are never heard are left out."""
    out, n = {}, true.shape[-1] // RATE
    mix = np.square(true.sum(0), dtype=np.float64)[:, : n * RATE].reshape(2, n, RATE).sum((0, 2))
    for k, name in enumerate(names):
        e = np.square(true[k], dtype=np.float64)[:, : n * RATE].reshape(2, n, RATE).sum((0, 2))
        heard = (e > mix * 10 ** (HEARD_DB / 10)) & (e > 1e-3)
        if heard.sum() < 3:
            continue
        d = np.square(true[k] - got[k], dtype=np.float64)[:, : n * RATE].reshape(2, n, RATE).sum((0, 2))
        out[name] = {"uSDR": sdr(true[k], got[k]), "SI-SDR": si_sdr(true[k], got[k]), "cSDR": float(np.median(10 * np.log10(e[heard] / (d[heard] + 1e-9))))}
    if bss:
        import museval

        # stems that are never heard cannot be scored by BSS Eval
        keep = [k for k, name in enumerate(names) if name in out]
        s = museval.evaluate(true[keep].transpose(0, 2, 1), got[keep].transpose(0, 2, 1), win=RATE, hop=RATE)[0]
        for k, row in zip(keep, s):
            out[names[k]]["BSS v4"] = float(np.nanmedian(row))
    return out


def merged(label: str, stems: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Names and stems `[K, 2, n]` with those added up that are not known apart."""
    if label == "merged":
        return ["vocals", "drums", "bass + other"], np.stack([stems[0], stems[1], stems[2] + stems[3]])
    return ["vocals", "drums", "bass", "other"], stems


def real_songs(part: str):
    """(name, label, stems `[4, 2, n]`) of the album's songs of a part."""
    for head in heads(part):
        if head["kind"] != "album":
            continue
        song = load_song(head)
        n = head["length"]
        yield head["key"], head["label"], np.stack([song.stems.get(k, np.zeros((n, 2), np.float32)).T for k in ("vocals", "drums", "bass", "other")])


def dialogue_pairs(part: str, each: int, seconds: float = 10.0):
    """(name, ratio in dB, stems `[2, 2, n]`) of held-out speech over held-out music."""
    bank = Bank(part, kinds=("speech", "track"))
    for ratio in DIALOGUE_DB:
        recipe = Recipe(speed=0, eq=0, narrow=0, late_start=0, low_pass=0, speech_db=(ratio, ratio), speech_alone=0, music_alone=0)
        mixer = Mixer(bank, seconds, 1000 + ratio, "dialogue", recipe)
        for i in range(each):
            yield f"{ratio} dB {i}", ratio, mixer.example()[0].numpy()


def systems(models: dict, sources: int, quick: bool = False) -> dict:
    """Name to a function of (mixture `[2, n]`, true stems) that gives stems `[S + 1, 2, n]`; `quick` leaves out the baselines that
    take long."""
    out = {
        "mix as every stem": lambda x, s: np.repeat(x[None], sources + 1, 0),
        f"mix / {sources + 1}": lambda x, s: np.repeat(x[None] / (sources + 1), sources + 1, 0),
        "classical": lambda x, s: in_chunks(x, STANDARD, classical_masks(sources)),
        "ideal ratio mask": lambda x, s: in_chunks(x, STANDARD, ideal_masks(s, STANDARD)),
    }
    if quick:
        del out["classical"], out["ideal ratio mask"]
    for name, (net, mode) in models.items():
        out[name] = lambda x, _, net=net, mode=mode: in_chunks(x, mode, net_masks(net, mode))
    return out


def average(rows: list[dict], stem: str, key: str) -> float:
    got = [r[stem][key] for r in rows if stem in r and key in r[stem]]
    return float(np.mean(got)) if got else float("nan")


def table(found: dict, stems: list[str], key: str) -> str:
    lines = ["| " + " | ".join(["", *stems, "mean of stems"]) + " |", "|" + " --- |" * (len(stems) + 2)]
    for name, rows in found.items():
        values = [average(rows, s, key) for s in stems]
        four = [v for s, v in zip(stems, values) if s in ("vocals", "drums", "bass", "other", "voice", "rest")]
        lines.append("| " + " | ".join([name, *[f"{v:.2f}" for v in values], f"{np.nanmean(four):.2f}"]) + " |")
    return "\n".join(lines) + "\n"


def gains(rows: dict, ratios: list) -> str:
    """SI-SDR gain of the voice by ratio of speech to music, and the share of the ideal mask's gain."""
    def at(name, r):
        return float(np.mean([f["voice"]["SI-SDR"] for f, t in zip(rows[name], ratios) if t == r and "voice" in f]))

    lines = ["| SI-SDR gain of the voice in dB (share of the ideal mask's), speech to music at | " + " | ".join(f"{r} dB" for r in DIALOGUE_DB) + " |",
             "|" + " --- |" * (len(DIALOGUE_DB) + 1)]
    for name in rows:
        cells = []
        for r in DIALOGUE_DB:
            base = at("mix as every stem", r)
            gain, most = at(name, r) - base, (at("ideal ratio mask", r) - base if "ideal ratio mask" in rows else 0)
            cells.append(f"{gain:.2f} ({gain / most:.2f})" if abs(most) > 1e-6 else f"{gain:.2f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=TASKS, default="stems")
    parser.add_argument("--model", type=Path, nargs="*", default=[], help="folders with model.onnx, or a trainer's .pt")
    parser.add_argument("--mode", choices=MODES, help="framing of a folder's model, when its manifest is missing")
    parser.add_argument("--part", choices=("test", "valid"), default="test", help="valid for decisions, test for what is published")
    parser.add_argument("--seconds", type=float, help="only the middle of each song")
    parser.add_argument("--quick", action="store_true", help="without the classical baseline and the ideal mask")
    parser.add_argument("--each", type=int, default=8, help="mixtures of dialogue at each ratio")
    parser.add_argument("--card", action="store_true", help="write CARD.md into the models' folders")
    parser.add_argument("--museval", action="store_true", help="also BSS Eval v4")
    parser.add_argument("--out", type=Path, default=RUNS / "evaluate")
    args = parser.parse_args()
    torch.set_num_threads(1)
    models = {}
    for path in args.model:
        net, mode = load(path)
        if mode is None:
            text = (path / "manifest.toml").read_text() if (path / "manifest.toml").exists() else ""
            mode = args.mode or ("low" if "asymmetric" in text else "standard")
        models[path.parent.name if path.suffix == ".pt" else path.name] = (net, MODES[mode])
    sources = len(TASKS[args.task])
    runs = systems(models, sources, args.quick)
    rows = {name: [] for name in runs}
    ours = [n for n in runs if n.startswith(tuple(models))] if models else []
    # what has no weights of ours gives the same figures each time
    args.out.mkdir(parents=True, exist_ok=True)
    shelf = args.out / f"baselines-{args.task}-{args.part}.json"
    kept = json.loads(shelf.read_text()) if shelf.exists() else {}
    tags = []
    songs = real_songs(args.part) if args.task == "stems" else dialogue_pairs(args.part, args.each)
    for name, tag, stems in songs:
        if args.seconds and args.task == "stems":
            n = int(args.seconds * RATE)
            a = max(0, (stems.shape[-1] - n) // 2)
            stems = stems[..., a : a + n]
        mixture = stems.sum(0)
        tags.append((name, tag))
        stamp = zlib.crc32(stems.tobytes())
        for system, run in runs.items():
            at = f"{stamp:08x} {name}, {system}" + ", BSS" * args.museval
            if at in kept:
                rows[system].append(kept[at])
                continue
            got = run(mixture, stems)
            if args.task == "stems":
                names, true = merged(tag, stems)
                rows[system].append(scores(names, true, merged(tag, got)[1], args.museval))
            else:
                rows[system].append(scores(["voice", "rest"], stems, got, args.museval))
            print(name, system, {k: round(v["uSDR"], 2) for k, v in rows[system][-1].items()}, flush=True)
            if system not in ours:
                kept[at] = rows[system][-1]
                shelf.write_text(json.dumps(kept))
    stems = ["vocals", "drums", "bass", "other", "bass + other"] if args.task == "stems" else ["voice", "rest"]
    keys = ["uSDR", "SI-SDR", "cSDR"] + ["BSS v4"] * args.museval
    text = [f"**{k}**, {len(tags)} {'songs' if args.task == 'stems' else 'mixtures'} of `{args.part}`, dB\n\n" + table(rows, stems, k) for k in keys]
    if args.task == "dialogue":
        text.append(gains(rows, [t for _, t in tags]))
    else:
        text.append("**uSDR by song**, dB\n\n" + songs_table(rows, tags, [f"mix / {sources + 1}", *ours], "uSDR"))
    (args.out / f"{args.task}-{args.part}.md").write_text("\n".join(text))
    (args.out / f"{args.task}-{args.part}.json").write_text(json.dumps({"songs": tags, "scores": rows}, indent=1))
    print("\n".join(text))
    if args.card:
        command = f"python -m training.stems.evaluate --task {args.task}{f' --each {args.each}' if args.task == 'dialogue' else ''}{' --quick' * args.quick}{f' --seconds {args.seconds:g}' if args.seconds else ''} --card --model " + " ".join(map(str, args.model))
        for path in args.model:
            write_card(path, "\n".join(text), args.part, command)


if __name__ == "__main__":
    main()
