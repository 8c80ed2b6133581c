"""Decodes finished music for the events model, once, beside the audio of `training.denoise.prepare`.

    python -m training.events.prepare

`events-music-<part>.i16` holds 48 kHz mono int16, an excerpt of each song of `training.master.songs` end to end;
`events-music-<part>.json` lists them. The parts are those of that module: whole albums.
"""

import json
from multiprocessing import Pool

import numpy as np
import soxr

from ..common.place import CACHE
from ..denoise.frames import RATE
from ..denoise.prepare import LEVEL, PARTS, loud_rms
from ..master.songs import Song, read, songs

SECONDS = {"train": 40.0, "valid": 40.0, "test": 60.0}
"""Of each song, from the end of its first quarter."""


def excerpt(job: tuple[Song, float]) -> np.ndarray | None:
    """A song's excerpt, mono int16, loud frames at LEVEL; None where it is silent."""
    song, seconds = job
    x, rate = read(song, 0.25 * song.seconds, seconds)
    x = soxr.resample(x.mean(0), rate, RATE, "HQ").astype(np.float32)
    level = loud_rms(x) if len(x) > RATE else 0.0
    if level < 1e-4:
        return None
    return np.clip(x * np.float32(LEVEL / level * 32768), -32767, 32767).astype(np.int16)


def main():
    with Pool(2) as pool:
        for part in PARTS:
            out = CACHE / f"events-music-{part}.i16"
            if out.exists():
                continue
            found, pieces, at = songs(part), [], 0
            with open(out.with_suffix(".i16.part"), "wb") as f:
                for song, x in zip(found, pool.imap(excerpt, [(s, SECONDS[part]) for s in found], chunksize=4)):
                    if x is None:
                        continue
                    f.write(x.tobytes())
                    pieces.append(dict(key=song.key, album=song.album, start=at, length=len(x)))
                    at += len(x)
            (CACHE / f"events-music-{part}.json").write_text(json.dumps(pieces))
            out.with_suffix(".i16.part").rename(out)
            print(f"music {part}: {len(pieces)} songs, {at / RATE / 60:.1f} min", flush=True)


if __name__ == "__main__":
    main()
