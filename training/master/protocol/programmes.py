"""Twenty varied programmes: music, speech, wide and narrow dynamics, very quiet, very loud."""

import numpy as np

from ...common.place import CACHE
from ..songs import middle, songs

RATE = 48_000
SECONDS = 30.0


def speech(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Recorded talkers of the test part, from the cache of the denoiser, `[2, n]`, the same in both channels."""
    audio = np.memmap(CACHE / "speech-test.i16", np.int16, "r")
    n = int(seconds * RATE)
    start = int(rng.integers(0, len(audio) - n))
    return np.repeat((audio[start : start + n].astype(np.float32) / 32768)[None], 2, 0)


def programmes() -> list[tuple[str, np.ndarray, int]]:
    """Names, samples `[2, n]` and rates."""
    rng = np.random.default_rng(11)
    found = songs("test")
    albums = sorted({s.album for s in found})
    music = [s for i in range(10) for s in [s for s in found if s.album == albums[i % len(albums)]][i // len(albums) :: 7][:1]]
    out = []
    for song in music:
        x, rate = middle(song, SECONDS)
        out.append((f"music {song.key}", x, rate))
    for i in range(4):
        out.append((f"speech {i + 1}", speech(rng, SECONDS), RATE))
    x, rate = out[0][1], out[0][2]
    steps = np.repeat(10 ** (np.array([-30, -6, -18, 0, -24, -3]) / 20), x.shape[1] // 6 + 1)[: x.shape[1]]
    out.append(("music in steps of 30 dB", x * steps.astype(np.float32), rate))
    words = speech(rng, SECONDS)
    fade = 10 ** (np.linspace(-35, 0, words.shape[1]) / 20)
    out.append(("speech that rises by 35 dB", words * fade.astype(np.float32), RATE))
    out.append(("very quiet music", out[1][1] * np.float32(10 ** (-45 / 20)), out[1][2]))
    out.append(("very quiet speech", speech(rng, SECONDS) * np.float32(10 ** (-30 / 20)), RATE))
    x = out[2][1]
    out.append(("very loud, clipped music", np.clip(x * np.float32(4 / np.abs(x).max()), -1, 1), out[2][2]))
    noise = rng.normal(0, 0.2, (2, int(SECONDS * RATE))).astype(np.float32)
    out.append(("steady noise", noise, RATE))
    return out
