"""Time of a step in onnxruntime, on one thread, beside the denoise model in turn.

    python -m training.deess.protocol.cost

Prints the least and the median of many batches of steps: on a busy machine the least is nearest the truth.
"""

import time
from pathlib import Path

import numpy as np

from ...common.graph import Steps

ROOT = Path(__file__).parents[3]
STEPS, ROUNDS = 10, 600


def main():
    sessions = {}
    for name in ("deess", "denoise"):
        session = Steps(str(ROOT / "models" / name / "model.onnx")).session
        feed = {i.name: np.full(i.shape, 0.01, np.float32) for i in session.get_inputs()}
        sessions[name] = (session, feed, [])
    for _ in range(ROUNDS):
        for session, feed, times in sessions.values():
            start = time.perf_counter()
            for _ in range(STEPS):
                session.run(None, feed)
            times.append((time.perf_counter() - start) / STEPS * 1e6)
    for name, (_, _, times) in sessions.items():
        print(f"{name}: {min(times):.1f} us a step at best, {np.median(times):.1f} in the middle")


if __name__ == "__main__":
    main()
