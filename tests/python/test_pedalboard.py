"""The VST3 in pedalboard: parameters, blocks, latency, state, and the same samples as the renderer.

pedalboard takes the reported latency off, so its output lines up with the input when the report is
right.
"""

import time

import numpy as np
import pytest
from common import PRODUCTS, Product, apart, render, sound
from pedalboard import load_plugin

# Longest time that models may take to load behind the host's back, in seconds.
PATIENCE = 10


def put(plugin, product: Product, settings: dict[str, str | bool]) -> None:
    """Sets parameters by id."""
    for id, value in settings.items():
        setattr(plugin, product.key(id), {"on": True, "off": False}.get(value, value))


def ready(plugin, product: Product, rate: int, channels: int = 2) -> None:
    """Lets the plugin load its models for this format: until then it passes the sound on. pedalboard
    plays in real-time mode, in which the plugin does not wait."""
    if product.passes:
        return
    audio = sound(rate, 1.0, channels)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if apart(plugin.process(audio, rate), audio) > -60:
            return
        time.sleep(0.02)
    raise AssertionError(f"after {PATIENCE} s the plugin still passes its input")


@pytest.fixture(params=PRODUCTS, ids=[product.key_name for product in PRODUCTS])
def product(request) -> Product:
    """Each product."""
    return request.param


@pytest.fixture
def plugin(product):
    """A fresh instance with its models, which does as much as it can."""
    made = load_plugin(product.bundle(), plugin_name=product.name)
    put(made, product, product.busy)
    ready(made, product, 48000)
    return made


def test_it_loads_as_an_effect(plugin, product):
    assert plugin.is_effect and not plugin.is_instrument
    assert plugin.name == product.name


def test_parameters_by_name(plugin, product):
    assert {product.key(id) for id in product.parameters} <= set(plugin.parameters)
    id, shown = product.known
    put(plugin, product, {id: shown})
    assert plugin.parameters[product.key(id)].string_value == shown


@pytest.mark.parametrize("block", [1, 17, 64, 480, 512, 8192])
def test_the_output_does_not_depend_on_the_block(plugin, block):
    audio = sound(48000, 1.0)
    whole = plugin.process(audio, 48000, buffer_size=1024)
    assert np.abs(whole).max() > 0.01
    assert apart(plugin.process(audio, 48000, buffer_size=block), whole) == -np.inf


@pytest.mark.parametrize("rate", [16000, 44100, 48000, 88200, 96000, 192000])
@pytest.mark.parametrize("channels", [1, 2])
def test_it_nulls_with_the_renderer(plugin, product, rate, channels, tmp_path):
    audio = sound(rate, 1.0, channels)
    ready(plugin, product, rate, channels)
    assert apart(plugin.process(audio, rate), render(product, audio, rate, tmp_path, product.busy)) == -np.inf


def test_it_nulls_with_the_renderer_with_parameters_set(plugin, product, tmp_path):
    audio = sound(48000, 1.5)
    put(plugin, product, product.other)
    plugin.process(audio, 48000)
    expected = render(product, audio, 48000, tmp_path, product.busy | product.other)
    # Set values may glide from the instance's old ones for a moment.
    assert apart(plugin.process(audio, 48000)[:, 12000:], expected[:, 12000:]) < -120


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
@pytest.mark.parametrize("how", ["bypass", "dry"])
def test_the_latency_reported_is_the_latency(plugin, product, rate, how):
    if how == "bypass":
        plugin.bypass = True
    else:
        put(plugin, product, product.dry)
    plugin.process(sound(rate, 0.1), rate)
    impulse = np.zeros((2, rate), np.float32)
    impulse[:, 5000] = 1
    out = plugin.process(impulse, rate)
    assert (plugin.reported_latency_samples > 0) != product.passes
    assert np.abs(out[0]).argmax() == 5000
    assert out[0, 5000] == pytest.approx(1, abs=1e-4)


def test_low_latency_reports_its_own_latency(plugin, product):
    before = plugin.reported_latency_samples
    audio = sound(48000, 0.5)
    if product.low_latency is not None:
        put(plugin, product, dict([product.low_latency]))
        plugin.process(audio, 48000)
        plugin.process(audio, 48000)
        assert 0 < plugin.reported_latency_samples < before
    plugin.bypass = True
    plugin.process(audio, 48000)
    assert apart(plugin.process(audio, 48000), audio) == -np.inf


def test_state_goes_round(plugin, product):
    put(plugin, product, product.other)
    if product.low_latency is not None:
        put(plugin, product, dict([product.low_latency]))
    # A VST3's values reach its processor, whose state is saved, with the next block.
    plugin.process(sound(48000, 0.1), 48000)
    state = plugin.raw_state
    other = load_plugin(product.bundle(), plugin_name=product.name)
    other.raw_state = state
    # The host reads the values anew when it plays.
    other.process(sound(48000, 0.1), 48000)
    for id in product.parameters:
        key = product.key(id)
        assert other.parameters[key].string_value == plugin.parameters[key].string_value, id
    for id, value in product.other.items():
        assert other.parameters[product.key(id)].string_value.lower() == value.lower()


def test_bad_samples_do_no_lasting_harm(plugin):
    audio = sound(48000, 3.0)
    audio[0, 10000:10200] = np.nan
    audio[1, 20000] = np.inf
    out = plugin.process(audio, 48000)
    assert np.isfinite(out).all()
    assert np.abs(out[:, 30000:]).max() > 0.01


def test_reset_forgets(plugin):
    audio = sound(48000, 0.7)
    first = plugin.process(audio, 48000)
    plugin.process(sound(48000, 0.7, seed=9), 48000)
    assert apart(plugin.process(audio, 48000, reset=True), first) == -np.inf
