"""Speech that lies in public repositories: fetched at a named commit into `training/cache/x`.

A clone in `training/cache/clones/OWNER+NAME` (bare or not) is used if it is there; else it is made.
"""

import csv
import re
import subprocess
from pathlib import Path

PREFIX = "repository/"
"""Of the `id` of a row of `data/sources.tsv` that is such a repository."""

PHRASES = {
    "bg_BG/dimitar": 15_000, "en_US/joe": 13_500, "es_ES/dave": 18_500, "hu_HU/anna": 16_500, "hu_HU/berta": 16_000,
    "hu_HU/imre": 18_500, "it_IT/paola": 18_500, "ne_NP/chitwan": 18_500, "nl_NL/pim": 18_500, "nl_NL/ronnie": 18_500,
    "pl_PL/darkman": 15_500, "pl_PL/gosia": 18_500, "pt_BR/cadu": 18_500, "pt_BR/faber": 18_500, "pt_BR/jeff": 18_500,
    "pt_PT/tugão": 18_500, "ro_RO/mihai": 18_500, "ru_RU/denis": 16_000, "ru_RU/dmitri": 18_500, "sk_SK/lili": 15_500,
    "zh_CN/chaowen": 18_500,
}
"""Talkers of `voice-datasets`, one sentence each, and where their sibilants end, Hz. The others there are talkers of other sources."""
KEYS = ("rhasspy ", "phrase ")
"""How their talkers' keys begin."""
TALKERS = {"nathalie": ("nl", "*.flac", 18_500), "flemishguy": ("nl", "*.wav", 11_500)}
"""Language, files and band, Hz, of the repositories that hold one talker."""


def fetch(cache: Path, sources: Path, folder: str | None = None) -> None:
    """Clones and unpacks the rows of `sources` that are repositories and are not there yet; of each, one folder or all."""
    with open(sources) as f:
        rows = [r for r in csv.DictReader(f, delimiter="\t") if r["id"].startswith(PREFIX)]
    for r in rows:
        target = cache / "x" / r["id"].removeprefix(PREFIX)
        if target.exists():
            continue
        name = re.sub(r"^github\.com/", "", r["source"])
        clone = cache / "clones" / name.replace("/", "+")
        if not clone.exists():
            clone.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["git", "clone", "--quiet", "--bare", f"https://{r['source']}", clone], check=True)
        part = target.with_name(target.name + ".part")
        part.mkdir(parents=True, exist_ok=True)
        tar = subprocess.run(["git", "-C", clone, "archive", r["version"], *([folder] if folder else [])], check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", part], input=tar, check=True)
        part.rename(target)


def items(cache: Path) -> list[dict]:
    """Utterances as `prepare.speech_items` lists them."""
    out = []
    for name, (lang, pattern, band) in TALKERS.items():
        folder = cache / "x" / name
        inside = folder / "verified" if (folder / "verified").exists() else folder
        out += [dict(path=p, key=f"rhasspy {lang} {name}", lang=lang, band=band, set="48", licence="CC0-1.0")
                for p in sorted(inside.rglob(pattern))]
    for talker, band in PHRASES.items():
        locale, name = talker.split("/")
        lang = locale if locale == "pt_BR" else locale[:2]
        out += [dict(path=p, key=f"phrase {lang} {name.replace('ã', 'a')}", lang=lang, band=band, set="48", licence="CC0-1.0")
                for p in sorted((cache / "x" / "voice-datasets" / talker).glob("*.mp3"))]
    return out
