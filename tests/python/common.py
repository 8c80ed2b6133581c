"""What the Python hosts' tests share: the products, the renderer, sound to play."""

import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


@dataclass(frozen=True)
class Product:
    """A plugin: its name, its engine's, and what its tests need to know."""

    name: str
    engine: str
    # Parameters by id, with the names that hosts show.
    parameters: dict[str, str]
    # Settings, by id, with which it does as much as it can with `sound`.
    busy: dict[str, str]
    # Settings that are not the defaults, by id: to save, load and compare.
    other: dict[str, str]
    # Settings, by id, with which the sound passes.
    dry: dict[str, str]
    # A parameter with a range, and a value in it as it is shown.
    known: tuple[str, str]
    # The parameter that changes the latency, and the value for less of it, if there is one.
    low_latency: tuple[str, bool] | None = None
    # It never changes the sound.
    passes: bool = False
    # What the renderer is told beside the settings, so that it does what the plugin does.
    render: tuple[str, ...] = ()
    # The file that the renderer makes of "in.wav", where it names it itself.
    rendered: str | None = None
    # The bundle, if it has another name than the plugin.
    file: str | None = None

    @property
    def key_name(self) -> str:
        """Short and without spaces, for the names of tests."""
        return self.name.removeprefix("Plainsong ").lower().replace(" ", "-")

    def bundle(self) -> str:
        """Path of the VST3 bundle."""
        path = TARGET / "bundled" / f"{self.file or self.name}.vst3"
        assert path.exists(), f"{path} is missing: run `cargo xtask bundle --release`"
        return str(path)

    def key(self, id: str) -> str:
        """pedalboard's name for a parameter."""
        return self.parameters[id].lower().replace(" ", "_").replace("-", "_")


DENOISE = Product(
    name="Plainsong Denoise",
    engine="denoise",
    parameters={
        "amount": "Amount",
        "limit": "Limit",
        "strength": "Strength",
        "release": "Release",
        "low": "Low",
        "mid": "Mid",
        "high": "High",
        "low-latency": "Low latency",
        "link": "Stereo link",
        "listen": "Listen",
        "output": "Output",
        "bypass": "Bypass",
    },
    busy={},
    other={"amount": "60 %", "limit": "12.5 dB", "high": "20 %", "release": "100 ms", "output": "-6.0 dB", "listen": "Removed"},
    dry={"amount": "0 %"},
    known=("amount", "50 %"),
    low_latency=("low-latency", True),
)

DEESSER = Product(
    name="Plainsong De-esser",
    engine="deess",
    parameters={
        "amount": "Amount",
        "max": "Max",
        "s": "S",
        "sh": "Sh",
        "f": "F",
        "breath": "Breath",
        "whistle": "Whistle",
        "low": "Low",
        "high": "High",
        "speed": "Speed",
        "mode": "Mode",
        "link": "Stereo link",
        "listen": "Listen",
        "output": "Output",
        "bypass": "Bypass",
    },
    busy={"amount": "200 %", "f": "100 %", "breath": "100 %", "whistle": "100 %"},
    other={"amount": "160 %", "max": "10.0 dB", "f": "80 %", "speed": "50 %", "mode": "Singing", "output": "-6.0 dB", "listen": "Removed"},
    dry={"amount": "0 %"},
    known=("amount", "50 %"),
)

MASTER = Product(
    name="Plainsong Master",
    engine="master",
    # Of 143 those that tests name, and one of each kind.
    parameters={
        "input": "Input",
        "eq6-on": "EQ 6 on",
        "eq6-type": "EQ 6 type",
        "eq6-freq": "EQ 6 frequency",
        "eq6-gain": "EQ 6 gain",
        "mb-on": "Dynamics",
        "mb-low-threshold": "Low threshold",
        "stereo-high": "High width",
        "colour-drive": "Colour drive",
        "limiter-drive": "Limiter drive",
        "limiter-ceiling": "Ceiling",
        "match": "Match loudness",
        "listen": "Listen",
        "bypass": "Bypass",
    },
    busy={"eq6-on": "on", "eq6-gain": "18.0 dB"},
    other={"input": "-3.0 dB", "stereo-high": "150 %", "limiter-ceiling": "-6.0 dB", "listen": "Removed"},
    dry={"eq6-on": "off", "limiter-ceiling": "0.0 dB"},
    known=("limiter-drive", "6.0 dB"),
    render=("--manual",),
)

METER = Product(
    name="Plainsong Meter",
    engine="meter",
    parameters={
        "target": "Target",
        "loudness": "Custom loudness",
        "ceiling": "Custom ceiling",
        "reset": "Reset",
        "pause": "Pause",
        "bypass": "Bypass",
    },
    busy={},
    other={"target": "EBU R 128", "loudness": "-16.0 LUFS", "ceiling": "-2.0 dB", "pause": "on"},
    dry={},
    known=("loudness", "-20.0 LUFS"),
    passes=True,
)

PODCAST = Product(
    name="Plainsong Podcast",
    engine="podcast",
    # Of 29 those that tests name, and one of each stage.
    parameters={
        "high-pass-on": "High-pass",
        "high-pass-corner": "High-pass corner",
        "denoise-on": "Denoise",
        "denoise-amount": "Denoise amount",
        "deess-on": "De-ess",
        "leveller-on": "Leveller",
        "leveller-target": "Leveller target",
        "compressor-on": "Compressor",
        "compressor-amount": "Compressor amount",
        "tone-on": "Tone",
        "tone-range": "Tone range",
        "limiter-on": "Limiter",
        "limiter-ceiling": "Ceiling",
        "listen": "Listen",
        "bypass": "Bypass",
    },
    busy={},
    other={"high-pass-corner": "100 Hz", "denoise-amount": "60 %", "leveller-target": "-20.0 LUFS", "tone-on": "off", "listen": "Removed"},
    dry={
        "high-pass-on": "off",
        "denoise-on": "off",
        "deess-on": "off",
        "leveller-on": "off",
        "compressor-on": "off",
        "tone-on": "off",
        "limiter-on": "off",
    },
    known=("denoise-amount", "50 %"),
    render=("--loudness", "keep"),
)

STEMS = Product(
    name="Plainsong Stems",
    engine="stems",
    # Of 37 those that tests name, and one of each kind.
    parameters={
        "task": "Task",
        "low-latency": "Low latency",
        "vocals-gain": "Vocals gain",
        "vocals-mute": "Vocals mute",
        "drums-gain": "Drums gain",
        "drums-mute": "Drums mute",
        "drums-solo": "Drums solo",
        "bass-pan": "Bass pan",
        "other-width": "Other width",
        "rest-gain": "Rest gain",
        "focus": "Focus",
        "listen": "Listen",
        "output": "Output",
        "bypass": "Bypass",
    },
    # Gains are numbers here: pedalboard reads "-inf" at the end of their range as one, and no unit after others.
    busy={"vocals-gain": "12.0"},
    other={"drums-mute": "on", "bass-pan": "-30 %", "other-width": "50 %", "focus": "40 %", "output": "-6.0 dB", "listen": "Removed"},
    dry={"vocals-gain": "0.0"},
    known=("focus", "50 %"),
    low_latency=("low-latency", True),
    # The mix alone, which is written where a fader is named.
    render=("--stems", "none", "--quality", "fast", "--set", "output=0"),
    rendered="in.mix.wav",
)

# Here without its outputs beside the main one, which these hosts leave out.
STEMS_MULTI_OUT = replace(STEMS, name="Plainsong Stems Multi-out", file="Plainsong Stems")

PRODUCTS = [DENOISE, DEESSER, MASTER, METER, PODCAST, STEMS, STEMS_MULTI_OUT]


def renderer() -> str:
    """Path of the renderer."""
    path = TARGET / "release" / "xtask"
    assert path.exists(), f"{path} is missing: run `cargo build --release -p xtask`"
    return str(path)


def voice(rate: int) -> np.ndarray:
    """The repository's sample, a voice in noise of 9 s, at a rate, `[sample]`; its sibilants are sharpened as by a
    bright microphone, so that every product has something to do."""
    whole, own = soundfile.read(ROOT / "samples" / "noisy.wav", dtype="float64")
    length = round(len(whole) * rate / own)
    spectrum = np.fft.rfft(whole)
    hertz = np.arange(length // 2 + 1) * rate / length
    out = np.zeros(len(hertz), complex)
    shared = min(len(out), len(spectrum))
    out[:shared] = spectrum[:shared]
    return np.fft.irfft(out * (1 + 3 * hertz**2 / (hertz**2 + 5000**2)), length) * length / len(whole)


def sound(rate: int, seconds: float = 2.0, channels: int = 2, seed: int = 1) -> np.ndarray:
    """`voice` from a place where it has a long s soon, `[channel, sample]`, single precision: with a little noise of
    its own in each channel."""
    random = np.random.default_rng(seed)
    length = int(rate * seconds)
    whole = np.roll(voice(rate), -int(7.85 * rate) + 100 * seed)
    whole = np.resize(whole, length)
    out = [(1 - 0.1 * channel) * whole + 1e-3 * random.standard_normal(length) for channel in range(channels)]
    return np.asarray(out, dtype=np.float32)


def render(product: Product, audio: np.ndarray, rate: int, folder: Path, settings: dict[str, str] | None = None) -> np.ndarray:
    """What `xtask render` makes of the sound: as long as the input and not late."""
    source, result = folder / "in.wav", folder / (product.rendered or "out.wav")
    # What names its files itself is told a folder.
    named = f"{folder}/" if product.rendered else str(result)
    soundfile.write(source, audio.T, rate, subtype="FLOAT")
    command = [renderer(), "render", product.engine, str(source), "-o", named, "--bits", "32f", "--overwrite", "--quiet", *product.render]
    for id, value in (settings or {}).items():
        command += ["--set", f"{id}={value}"]
    subprocess.run(command, check=True)
    out, out_rate = soundfile.read(result, dtype="float32", always_2d=True)
    assert out_rate == rate
    return np.ascontiguousarray(out.T)


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference in dBFS; minus infinity when equal, plus infinity for another shape."""
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return np.inf
    most = np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0.0)
    return 20 * np.log10(most) if most > 0 else -np.inf
