"""The VST3 in DawDreamer: an offline host that leaves the latency in.

Offline the plugin waits for its models, so the first pass counts. Every test makes its own session.
"""

import dawdreamer
import numpy as np
import pytest
from common import PRODUCTS, Product, apart, render, sound

# It loads a file's first plugin only.
FIRST = [product for product in PRODUCTS if product.file is None]

pytestmark = pytest.mark.parametrize("product", FIRST, ids=[product.key_name for product in FIRST])


class Session:
    """An engine with a player and the plugin behind it."""

    def __init__(self, product: Product, audio: np.ndarray, rate: int, block: int = 512):
        self.seconds = audio.shape[1] / rate
        self.engine = dawdreamer.RenderEngine(rate, block)
        self.player = self.engine.make_playback_processor("player", audio)
        self.plugin = self.engine.make_plugin_processor("plugin", product.bundle())
        self.engine.load_graph([(self.player, []), (self.plugin, ["player"])])

    def set(self, name: str, value: float) -> None:
        """Sets a parameter by name, from 0 to 1."""
        names = [entry["name"] for entry in self.plugin.get_parameters_description()]
        self.plugin.set_parameter(names.index(name), value)

    def busy(self, product: Product) -> "Session":
        """As much as it can do; all of these parameters are at the end of an even range then."""
        for id in product.busy:
            self.set(product.parameters[id], 1)
        return self

    def play(self) -> np.ndarray:
        """Plays the whole sound."""
        self.engine.render(self.seconds)
        return np.asarray(self.engine.get_audio(), dtype=np.float32)


def late(audio: np.ndarray, delay: int) -> np.ndarray:
    """The same sound later, as long as before."""
    return np.pad(audio, ((0, 0), (delay, 0)))[:, : audio.shape[1]]


def test_parameters_by_name(product):
    session = Session(product, sound(48000, 0.2), 48000)
    names = [entry["name"] for entry in session.plugin.get_parameters_description()]
    assert set(product.parameters.values()) <= set(names)


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
def test_it_nulls_with_the_renderer(product, rate, tmp_path):
    audio = sound(rate, 2.0)
    session = Session(product, audio, rate).busy(product)
    # Values that are set come in with the first block: what they glide from stays out.
    session.play()
    out = session.play()
    delay = session.plugin.get_latency_samples()
    assert (delay > 0) != product.passes
    expected = late(render(product, audio, rate, tmp_path, product.busy), delay)
    length = min(out.shape[1], expected.shape[1])
    assert length > rate
    # Before the latency has passed there is the onset of the first window, which the renderer cuts.
    assert apart(out[:, delay:length], expected[:, delay:length]) == -np.inf
    assert (apart(out[:, delay:length], late(audio, delay)[:, delay:length]) > -60) != product.passes


@pytest.mark.parametrize("block", [1, 64, 480, 512, 2048, 8192])
def test_the_output_does_not_depend_on_the_block(product, block):
    audio = sound(48000, 1.0)
    whole = Session(product, audio, 48000, 1024).play()
    cut = Session(product, audio, 48000, block).play()
    length = min(whole.shape[1], cut.shape[1])
    assert length >= 40000
    assert apart(whole[:, :length], cut[:, :length]) == -np.inf


def test_the_latency_reported_is_the_latency(product):
    impulse = np.zeros((2, 48000), np.float32)
    impulse[:, 5000] = 1
    session = Session(product, impulse, 48000)
    session.set("Bypass", 1)
    out = session.play()
    delay = session.plugin.get_latency_samples()
    assert apart(out, late(impulse, delay)[:, : out.shape[1]]) == -np.inf


def test_state_goes_round(product, tmp_path):
    session = Session(product, sound(48000, 0.2), 48000)
    session.set(product.parameters[product.known[0]], 0.3)
    session.set("Bypass", 1)
    session.play()
    file = str(tmp_path / "state")
    session.plugin.save_state(file)
    other = Session(product, sound(48000, 0.2), 48000)
    other.plugin.load_state(file)
    other.play()
    for index, name in enumerate(entry["name"] for entry in session.plugin.get_parameters_description()):
        if name in product.parameters.values():
            assert other.plugin.get_parameter(index) == pytest.approx(session.plugin.get_parameter(index), abs=1e-6), name


def test_automation_stays_finite(product):
    audio = sound(48000, 2.0)
    session = Session(product, audio, 48000, 256)
    random = np.random.default_rng(3)
    for index, entry in enumerate(session.plugin.get_parameters_description()):
        if entry["name"] in product.parameters.values():
            session.plugin.set_automation(index, random.random(96).astype(np.float32), ppqn=960)
    out = session.play()
    assert np.isfinite(out).all() and np.abs(out).max() < 30
