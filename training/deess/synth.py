"""Speech whose phonemes and times are known, from free synthesisers of Debian 12.

espeak-ng (phoneme events of its library), flite (`-psdur`) and festival (segments of an
utterance). Texts are the names of countries, languages and currencies in the packages'
translations (`iso-codes`), so that every language brings its own words.
"""

import ctypes
import gettext
import re
import subprocess
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

from . import phonemes

EVENT_END, EVENT_PHONEME = 0, 7
LOCALES = Path("/usr/share/locale")


@dataclass
class Utterance:
    """`audio` `[samples]` float32 at `rate`; `phones` are (start, end, name) in seconds."""

    audio: np.ndarray
    rate: int
    phones: list
    notation: str

    def classes(self):
        """(start, end, class, is a vowel, plain letters) of each phoneme; pauses are left out."""
        f = phonemes.ipa if self.notation == "ipa" else phonemes.arpa
        return [(a, b, *f(n)) for a, b, n in self.phones if n not in phonemes.PAUSES and n]


class _Event(ctypes.Structure):
    class _Id(ctypes.Union):
        _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]

    _fields_ = [("type", ctypes.c_int), ("unique", ctypes.c_uint), ("text", ctypes.c_int), ("length", ctypes.c_int),
                ("ms", ctypes.c_int), ("sample", ctypes.c_int), ("user", ctypes.c_void_p), ("id", _Id)]


class Espeak:
    """espeak-ng's library; one in a process."""

    _lib = None

    def __init__(self):
        if Espeak._lib is None:
            Espeak._lib = lib = ctypes.CDLL("libespeak-ng.so.1")
            Espeak.rate = lib.espeak_Initialize(1, 0, None, 3)  # retrieval; phoneme events, in IPA
            kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
            Espeak._back = kind(self._take)
            lib.espeak_SetSynthCallback(Espeak._back)

    @staticmethod
    def _take(wav, count, events):
        i = 0
        while events[i].type != EVENT_END:
            if events[i].type == EVENT_PHONEME:
                name = bytes(events[i].id.string).split(b"\0")[0].decode("utf-8", "replace")
                Espeak._phones.append((events[i].sample / Espeak.rate, name))
            i += 1
        if count > 0:
            Espeak._audio.append(np.ctypeslib.as_array(wav, (count,)).copy())
        return 0

    def __call__(self, voice: str, text: str, speed: int = 165, pitch: int = 50, spread: int = 50) -> Utterance:
        Espeak._audio, Espeak._phones = [], []
        lib = Espeak._lib
        if lib.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f"espeak-ng has no voice {voice}")
        for number, value in ((1, speed), (3, pitch), (4, spread)):
            lib.espeak_SetParameter(number, value, 0)
        data = text.encode() + b"\0"
        lib.espeak_Synth(data, len(data), 0, 0, 0, 1, None, None)
        lib.espeak_Synchronize()
        x = np.concatenate(Espeak._audio or [np.zeros(1, np.int16)]).astype(np.float32) / 32768
        at = Espeak._phones
        ends = [t for t, _ in at[1:]] + [len(x) / Espeak.rate]
        return Utterance(x, Espeak.rate, [(t, e, n) for (t, n), e in zip(at, ends) if e > t], "ipa")


def flite(voice: str, text: str, stretch: float = 1.0, pitch: float | None = None) -> Utterance:
    with tempfile.NamedTemporaryFile(suffix=".wav") as f:
        more = [] if pitch is None else ["--setf", f"int_f0_target_mean={pitch:.1f}"]
        got = subprocess.run(["flite", "-voice", voice, "--setf", f"duration_stretch={stretch:.2f}", *more, "-psdur", "-t", text,
                              "-o", f.name], capture_output=True, text=True, check=True).stdout
        x, rate = sf.read(f.name, dtype="float32")
    phones, before = [], 0.0
    for name, end in re.findall(r"(\S+):([\d.]+)", got):
        phones.append((before, float(end), name))
        before = float(end)
    return Utterance(x, rate, phones, "arpa")


def festival(voice: str, text: str, encoding: str = "latin-1") -> Utterance:
    with tempfile.TemporaryDirectory() as d:
        quoted = text.replace("\\", "").replace('"', "")
        script = (f'(voice_{voice})\n(set! u (Utterance Text "{quoted}"))\n(utt.synth u)\n'
                  f'(utt.save.wave u "{d}/a.wav" \'riff)\n(utt.save.segs u "{d}/a.lab")\n')
        (Path(d) / "a.scm").write_bytes(script.encode(encoding, "ignore"))
        subprocess.run(["festival", "-b", f"{d}/a.scm"], capture_output=True, check=True, timeout=60)
        x, rate = sf.read(f"{d}/a.wav", dtype="float32")
        lines = (Path(d) / "a.lab").read_bytes().decode("latin-1").split("#\n", 1)[-1].splitlines()
    phones, before = [], 0.0
    for line in lines:
        part = line.split()
        if len(part) >= 3:
            phones.append((before, float(part[0]), part[2]))
            before = float(part[0])
    return Utterance(x, rate, phones, "arpa")


def names(locale: str) -> list[str]:
    """Translated names in a language, letters only, in a fixed order of no meaning."""
    out, original = set(), locale == "en"
    locale = "de" if original else locale
    for domain in ("iso_3166-1", "iso_3166-3", "iso_639-2", "iso_4217", "iso_639-3", "iso_3166-2", "iso_15924"):
        for part in (locale, locale.split("_")[0]):
            path = LOCALES / part / "LC_MESSAGES" / f"{domain}.mo"
            if path.exists():
                with open(path, "rb") as f:
                    table = gettext.GNUTranslations(f)._catalog
                out |= {v.split("(")[0].split(";")[0].strip() for k, t in table.items()
                        for v in [k if original else t] if k and isinstance(v, str) and isinstance(k, str)}
                break
    out = [v for v in out if 4 < len(v) < 45 and not re.search(r"[\d\[\]<>/\"]", v)]
    return sorted(out, key=lambda v: zlib.crc32(v.encode()))


def texts(locale: str, count: int, seed: int, words: int = 26) -> list[str]:
    """`count` texts of about `words` words each, drawn from `names`."""
    pool = names(locale)
    if len(pool) < 30:
        raise ValueError(f"no names in {locale}; install iso-codes")
    rng = np.random.default_rng([seed, zlib.crc32(locale.encode())])
    out = []
    for _ in range(count):
        text, have = "", 0
        while have < words:
            take = [pool[i] for i in rng.integers(len(pool), size=int(rng.integers(2, 5)))]
            have += sum(len(v.split()) for v in take) + (2 * len(take) if locale in ("ja", "zh_CN", "th") else 0)
            text += " ".join(take) + rng.choice([", ", ". ", "? "], p=[0.6, 0.35, 0.05])
        out.append(text.strip())
    return out
