"""Writing ONNX graphs node by node, and running graphs of one frame with explicit state."""

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8


class Graph:
    """Collects nodes and initialisers; every call returns the name of its output."""

    def __init__(self):
        self.nodes, self.weights, self.count = [], [], 0

    def const(self, name, value, dtype=np.float32):
        if all(w.name != name for w in self.weights):
            array = np.ascontiguousarray(np.asarray(value, dtype))
            self.weights.append(numpy_helper.from_array(array, name))
        return name

    def op(self, kind, *inputs, out=None, **attributes):
        self.count += 1
        out = out or f"v{self.count}_{kind.lower()}"
        outs = out if isinstance(out, list) else [out]
        self.nodes.append(helper.make_node(kind, list(inputs), outs, **attributes))
        return out

    def cut(self, x, start, stop, axis, out=None):
        ints = [self.const(f"i{v}", [v], np.int64) for v in (start, stop, axis)]
        return self.op("Slice", x, *ints, out=out)

    def reshape(self, x, *shape, out=None):
        name = "shape_" + "x".join(map(str, shape))
        return self.op("Reshape", x, self.const(name, shape, np.int64), out=out)

    def model(self, name: str, inputs: dict, outputs: dict) -> onnx.ModelProto:
        """The checked model; `inputs` and `outputs` map names to shapes, all f32."""

        def values(named):
            return [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in named.items()]

        graph = helper.make_graph(self.nodes, name, values(inputs), values(outputs), self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="plainsong")
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model, full_check=True)
        return model


def initialisers(path) -> dict[str, np.ndarray]:
    """Weights of a file by name."""
    return {w.name: numpy_helper.to_array(w) for w in onnx.load(path).graph.initializer}


class Steps:
    """Runs an exported graph frame by frame, one thread; states start at zero.

    States are the inputs called `state_NAME`, carried over from the outputs `next_NAME`.
    """

    def __init__(self, model: bytes | str):
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.names = [o.name for o in self.session.get_outputs()]
        self.zero = {i.name: np.zeros(i.shape, np.float32)
                     for i in self.session.get_inputs() if i.name.startswith("state_")}
        self.reset()

    def reset(self):
        self.state = dict(self.zero)

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """`inputs` `[frames, ...]` without the graph's first axis of 1 per name; outputs `[frames, ...]` likewise."""
        frames = len(next(iter(inputs.values())))
        rows = []
        for t in range(frames):
            feed = {k: v[t : t + 1] for k, v in inputs.items()}
            got = dict(zip(self.names, self.session.run(None, feed | self.state)))
            self.state = {"state_" + k.removeprefix("next_"): got.pop(k) for k in list(got) if k.startswith("next_")}
            rows.append(got)
        return {k: np.concatenate([r[k] for r in rows]) for k in rows[0]}
