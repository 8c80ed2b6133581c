"""Classes of phonemes in the notations of the synthesisers."""

from .labels import BREATH, F, NONE, PLOSIVE, S, SH

_IPA = {"s": S, "z": S, "ʃ": SH, "ʒ": SH, "ɕ": SH, "ʑ": SH, "ʂ": SH, "ʐ": SH, "f": F, "v": F, "θ": F, "ð": F,
        "x": F, "ç": F, "χ": F, "ɸ": F, "ħ": F, "h": PLOSIVE, "ɦ": PLOSIVE, "p": PLOSIVE, "t": PLOSIVE, "k": PLOSIVE,
        "b": PLOSIVE, "d": PLOSIVE, "ɡ": PLOSIVE, "g": PLOSIVE, "ʈ": PLOSIVE, "ɖ": PLOSIVE, "q": PLOSIVE,
        "c": PLOSIVE, "ɟ": PLOSIVE, "ʔ": NONE}
_VOWELS = set("aeiouyæøœɐɑɒɔəɚɛɜɝɞɤɘɪʏʊʉɯɨɵʌɶ")
_AFFRICATES = {"tʃ": SH, "dʒ": SH, "ts": S, "dz": S, "tɕ": SH, "dʑ": SH, "tʂ": SH, "dʐ": SH, "cç": SH}

_ARPA = {"s": S, "z": S, "sh": SH, "zh": SH, "ch": SH, "jh": SH, "f": F, "v": F, "th": F, "dh": F, "hh": PLOSIVE,
         "hv": PLOSIVE, "p": PLOSIVE, "t": PLOSIVE, "k": PLOSIVE, "b": PLOSIVE, "d": PLOSIVE, "g": PLOSIVE}
_ARPA_VOWELS = {"aa", "ae", "ah", "ao", "aw", "ax", "axr", "ay", "eh", "er", "ey", "ih", "ix", "iy", "ow", "oy", "uh", "uw",
                "a", "e", "i", "o", "u"}


def ipa(name: str) -> tuple[int, bool, str]:
    """Class, whether it is a vowel, and the plain letters of an IPA phoneme."""
    plain = "".join(ch for ch in name if ch not in "ːˈˌ͡ʲʰʷˤ̩̃̊̚ˑ̪̝̻ʼ'.;_|0123456789-")
    for k, v in _AFFRICATES.items():
        if plain.startswith(k):
            return v, False, k
    if not plain:
        return NONE, False, ""
    first = plain[0]
    return _IPA.get(first, NONE), first in _VOWELS, first


_EXACT = {"S": SH, "Z": SH, "tS": SH, "dZ": SH, "s~": SH, "z~": SH, "c~": SH, "sch": SH, "ts": S, "dz": S, "ss": S, "zz": S,
          "tt": PLOSIVE, "kk": PLOSIVE, "pp": PLOSIVE, "ff": F, "h": PLOSIVE, "x": F}
"""Names of the Italian, Czech, Catalan, Finnish and Russian voices that English lacks or uses otherwise."""


def arpa(name: str) -> tuple[int, bool, str]:
    """The same for the names of flite's and festival's voices."""
    if name in _EXACT:
        return _EXACT[name], False, {"tS": "tʃ", "dZ": "dʒ", "c~": "tʃ"}.get(name, name)
    plain = name.lower().rstrip("0123:")
    vowel = plain in _ARPA_VOWELS or plain[:1] in "aeiou@" and len(plain) < 3
    return _ARPA.get(plain, NONE), vowel, {"hh": "h", "ch": "tʃ", "jh": "dʒ"}.get(plain, plain)


PAUSES = {"pau", "#", "_", "h#", "sil", "ssil", "brth", "B_10", "B_100", "B_150", "B_200", "B_250"}
BREATHS = {"brth": BREATH}
