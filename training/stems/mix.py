"""Mixtures from the bank, in PyTorch: on a CPU from memory maps, on a GPU from its own memory.

`Mixer.batch` gives mixtures `[B, 2, n]`, stems `[B, K, 2, n]` and groups `[B, K, K]`; a row of an
example's group matrix says which stems are known only as a sum ("merged": bass and other;
"rest": all but the vocals). Loss and scores compare those sums.
"""

from dataclasses import dataclass

import numpy as np
import torch

from .bank import heads, samples
from .frames import RATE
from .net import TASKS

LEVEL = 0.1
"""RMS of a mixture; the net takes levels out, the loss wants one scale."""
AUDIBLE_DB = -50.0
SPEEDS = (0.84, 0.89, 0.94, 0.97, 1.03, 1.06, 1.12, 1.19)
EQ_POINTS = 9


@dataclass(frozen=True)
class Recipe:
    """Shares of examples and treatments; spreads in dB."""

    coherent: float = 0.40
    rest: float = 0.15
    vocals_silent: float = 0.15
    stem_silent: float = 0.06
    second_voice: float = 0.10
    second_other: float = 0.15
    speed: float = 0.35
    eq: float = 0.5
    eq_db: float = 4.0
    gain_db: float = 4.0
    coherent_gain_db: float = 3.0
    swap: float = 0.5
    narrow: float = 0.08
    low_pass: float = 0.10
    late_start: float = 0.05
    speech_db: tuple = (-5.0, 20.0)
    speech_alone: float = 0.08
    music_alone: float = 0.10
    weights: tuple = (("album", 16.0), ("generated", 1.0), ("notes", 0.5), ("track", 1.0), ("speech", 1.0))


OFFSETS_DB = {"vocals": 0.0, "drums": 0.0, "bass": -3.0, "other": -2.0, "voice": 0.0}


class Bank:
    """A part's songs: int16 `[stems, samples, 2]` each, on `device`."""

    def __init__(self, part: str, device="cpu", folder=None, kinds: tuple | None = None):
        found = heads(part, folder) if folder else heads(part)
        self.heads = [h for h in found if kinds is None or h["kind"] in kinds]
        if not self.heads:
            raise FileNotFoundError(f"no songs of part {part}: run training/stems/data.sh, or unpack pieces by training.stems.bank")
        move = (lambda x: x.to(device)) if str(device) != "cpu" else (lambda x: x)
        self.audio = [move(torch.from_numpy(samples(h))) for h in self.heads]
        self.device = torch.device(device)
        self.clips = {}
        weight = dict(Recipe.weights)
        for i, h in enumerate(self.heads):
            for stem in h["stems"]:
                loud = np.array(h["levels"][stem]) > AUDIBLE_DB
                if loud.any():
                    self.clips.setdefault(stem, []).append((i, loud))
        self.by_kind = {}
        for stem, rows in self.clips.items():
            kinds = [self.heads[i]["kind"] for i, _ in rows]
            seconds = np.array([loud.sum() * weight.get(k, 1.0) for k, (_, loud) in zip(kinds, rows)], float)
            self.by_kind[stem] = seconds / seconds.sum()


class Mixer:
    """A stream of examples of one task; the same bank and seed give the same stream."""

    def __init__(self, bank: Bank, seconds: float, seed: int, task: str = "stems", recipe: Recipe = Recipe()):
        self.bank, self.recipe, self.task = bank, recipe, task
        self.rng = np.random.default_rng(seed)
        self.n = int(seconds * RATE) // 480 * 480
        self.names = (*TASKS[task], "other" if task == "stems" else "rest")
        # where each bin lies between points an octave apart from 62 Hz up
        hz = torch.linspace(0, RATE / 2, self.n // 2 + 1, device=bank.device)
        at = torch.log2(hz.clamp(min=62.5) / 62.5).clamp(0, EQ_POINTS - 1.001)
        self.octaves = (at.long(), at - at.long())

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    # ------------------------------------------------------------ material

    def read(self, song: int, stem: str, start: int, m: int) -> torch.Tensor:
        """`[2, m]` float32 from a song; zeros beyond its end."""
        h = self.bank.heads[song]
        x = self.bank.audio[song][h["stems"].index(stem), max(start, 0) : start + m]
        x = x.float().t() / 32767
        return torch.nn.functional.pad(x, (0, m - x.shape[1])) if x.shape[1] < m else x

    def draw(self, stem: str, kinds: tuple | None = None) -> tuple[int, int] | None:
        """A song that has the stem, and a start from which the stem is heard."""
        rows = self.bank.clips.get(stem, [])
        p = self.bank.by_kind.get(stem)
        if kinds is not None and rows:
            ok = np.array([self.bank.heads[i]["kind"] in kinds for i, _ in rows])
            if not ok.any():
                return None
            p = p * ok / (p * ok).sum()
        if not rows:
            return None
        song, loud = rows[int(self.rng.choice(len(rows), p=p))]
        second = int(self.rng.choice(np.flatnonzero(loud)))
        start = int((second + self.rng.random()) * RATE - self.rng.random() * self.n * 0.8)
        return song, int(np.clip(start, 0, max(0, self.bank.heads[song]["length"] - self.n)))

    def speed(self) -> float:
        return float(self.rng.choice(SPEEDS)) if self.chance(self.recipe.speed) else 1.0

    def treat(self, x: torch.Tensor, eq: bool) -> torch.Tensor:
        """`[2, m]` to `[2, n]`: resampled by m / n and equalised in one pair of transforms."""
        if x.shape[1] == self.n and not eq:
            return x
        s = torch.fft.rfft(x)
        bins = self.n // 2 + 1
        s = s[:, :bins] if s.shape[1] >= bins else torch.nn.functional.pad(s, (0, bins - s.shape[1]))
        if eq:
            points = torch.from_numpy(self.rng.standard_normal(EQ_POINTS).astype(np.float32) * self.recipe.eq_db).to(s.device)
            i, part = self.octaves
            s = s * 10 ** ((points[i] * (1 - part) + points[i + 1] * part) / 20)
        return torch.fft.irfft(s, self.n) * (self.n / x.shape[1])

    def take(self, song: int, stem: str, start: int, speed: float) -> torch.Tensor:
        m = int(round(self.n * speed / 480)) * 480
        return self.treat(self.read(song, stem, start, m), self.chance(self.recipe.eq))

    def place(self, x: torch.Tensor) -> torch.Tensor:
        """Channels swapped, turned over, or narrowed."""
        if self.chance(self.recipe.swap):
            x = x.flip(0)
        if self.chance(0.5):
            x = -x
        if self.chance(self.recipe.narrow):
            x = x.mean(0, keepdim=True).expand(2, -1)
        return x

    @staticmethod
    def level(x: torch.Tensor) -> torch.Tensor:
        """RMS of the tenths of a second within 20 dB of the loudest, as a tensor (no wait for a GPU)."""
        e = x[:, : x.shape[1] // 4800 * 4800].square().reshape(2, -1, 4800).mean((0, 2))
        on = (e >= 0.01 * e.max()).float()
        return ((e * on).sum() / on.sum()).sqrt() + 1e-7

    def gain(self, spread: float) -> float:
        return float(10 ** (self.rng.normal(0, spread) / 20))

    # ------------------------------------------------------------ examples

    def coherent(self) -> tuple[list, str] | None:
        """All stems of one song at one place."""
        found = self.draw(str(self.rng.choice(["vocals", "drums", "bass", "other"])), ("album", "generated"))
        if found is None:
            return None
        song, start = found
        h, speed = self.bank.heads[song], self.speed()
        out = []
        for k in self.names:
            if k in h["stems"]:
                out.append(self.take(song, k, start, speed) * self.gain(self.recipe.coherent_gain_db))
            else:
                out.append(torch.zeros(2, self.n, device=self.bank.device))
        return out, h["label"]

    def remixed(self) -> tuple[list, str]:
        """Stems of unrelated songs at a record's levels."""
        r, out, label = self.recipe, [], "full"
        for k in self.names:
            silent = self.chance(r.vocals_silent if k == "vocals" else r.stem_silent)
            x = torch.zeros(2, self.n, device=self.bank.device)
            more = {"vocals": r.second_voice, "other": r.second_other}.get(k, 0)
            for number in range(0 if silent else 2 if self.chance(more) else 1):
                found = self.draw(k, ("album", "generated", "notes"))
                if found is None:
                    break
                y = self.place(self.take(found[0], k, found[1], self.speed()))
                x = x + y * (self.gain(r.gain_db) * 10 ** ((OFFSETS_DB[k] - 6 * number) / 20) / self.level(y))
                if self.bank.heads[found[0]]["label"] == "merged" and k == "other":
                    label = "merged"
            out.append(x)
        return out, label

    def over_rest(self) -> tuple[list, str] | None:
        """Vocals over a finished instrumental track, whose drums and bass are not known apart."""
        found = self.draw("other", ("track",))
        if found is None:
            return None
        rest = self.place(self.take(found[0], "other", found[1], self.speed()))
        rest = rest / self.level(rest)
        voice = torch.zeros_like(rest)
        if not self.chance(self.recipe.vocals_silent):
            found = self.draw("vocals")
            if found:
                voice = self.place(self.take(found[0], "vocals", found[1], self.speed()))
                voice = voice * (self.gain(self.recipe.gain_db) / self.level(voice))
        none = torch.zeros_like(rest)
        return [voice, none, none, rest], "rest"

    def dialogue(self) -> tuple[list, str]:
        """Speech over music or a whole song, by a drawn ratio of their loud parts."""
        r, out = self.recipe, []
        voice = torch.zeros(2, self.n, device=self.bank.device)
        rest, kind = voice, self.rng.random()
        found = self.draw("voice")
        if found and kind > r.music_alone:
            voice = self.take(found[0], "voice", found[1], self.speed())
            if self.chance(0.2):
                voice = voice * torch.tensor([[self.gain(3)], [self.gain(3)]], device=voice.device)
            voice = voice / self.level(voice)
        if kind < 1 - r.speech_alone:
            found = self.draw("other")
            if found:
                song, start = found
                rest = sum(self.take(song, k, start, 1.0) for k in self.bank.heads[song]["stems"] if k != "voice")
                rest = self.place(rest) / self.level(rest)
        ratio = 10 ** (-self.rng.uniform(*r.speech_db) / 20)
        out = [voice, rest * ratio]
        return out, "full"

    def groups(self, label: str) -> torch.Tensor:
        """`[K, K]`: rows are what is known of the stems in `names`."""
        g = torch.eye(len(self.names))
        if label == "merged":
            g[2] = 0
            g[3, 2] = 1
        elif label == "rest":
            g[1:3] = 0
            g[3, 1:] = 1
        return g

    def example(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Stems `[K, 2, n]` that add up to a mixture of RMS `LEVEL`, and groups."""
        r = self.recipe
        if self.task == "dialogue":
            got = self.dialogue()
        else:
            draw = self.rng.random()
            got = self.coherent() if draw < r.coherent else self.over_rest() if draw < r.coherent + r.rest else None
            got = got or self.remixed()
        x = torch.stack(got[0])
        if self.chance(r.late_start):
            x[:, :, : int(self.rng.integers(self.n // 3))] = 0
        if self.chance(r.low_pass):
            top = self.rng.uniform(9000, 17000)
            s = torch.fft.rfft(x)
            hz = torch.linspace(0, RATE / 2, s.shape[-1], device=x.device)
            x = torch.fft.irfft(s * ((top + 500 - hz) / 500).clamp(0, 1), self.n)
        level = x.sum(0).square().mean().sqrt()
        x = x * torch.where(level > 1e-5, LEVEL / level.clamp(min=1e-5), torch.zeros_like(level))
        return x, self.groups(got[1])

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mixtures `[B, 2, n]`, stems `[B, K, 2, n]`, groups `[B, K, K]`."""
        rows = [self.example() for _ in range(count)]
        stems = torch.stack([x for x, _ in rows])
        return stems.sum(1), stems, torch.stack([g for _, g in rows]).to(stems.device)
