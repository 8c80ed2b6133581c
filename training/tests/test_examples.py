"""The tutorial's model: what PyTorch computes is what the exported graph computes, frame by frame."""

import hashlib
import re

import numpy as np
import onnxruntime
import torch

from training.examples import gate


def test_the_export_computes_what_the_module_does(tmp_path):
    net = gate.train(2)
    folder = tmp_path / "my-gate"
    gate.export(net, folder, "my-gate", "My gate")
    text = (folder / "manifest.toml").read_text()
    assert 'id = "my-gate"' in text
    assert re.search(r'sha256 = "(\w+)"', text).group(1) == hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    frames = torch.rand(30, 1, gate.BINS, generator=torch.Generator().manual_seed(3)) ** gate.POWER
    with torch.no_grad():
        wanted = net.many(frames).numpy()
    state = np.zeros((1, 1, gate.UNITS), np.float32)
    for frame, gains in zip(frames.numpy(), wanted):
        got, state = session.run(None, {"magnitudes": frame, "h": state})
        np.testing.assert_allclose(got, gains, atol=1e-5)
    # The engine needs gains between 0 and 1.
    assert wanted.min() >= 0 and wanted.max() <= 1.0001
