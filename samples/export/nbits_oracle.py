"""What onnxruntime's own quantizer makes of small matrices: test/weights/nbits/oracle.json.

    python samples/export/nbits_oracle.py test/weights/nbits/oracle.json

Needs numpy, onnx and onnxruntime.
"""

import base64
import hashlib
import json
import sys

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer

TYPES = {"float": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


def matrices():
    """Weights [in, out] by name; 45 inputs are two blocks of 16 and an odd rest."""
    rng = np.random.default_rng(1)
    normal = rng.standard_normal((45, 3))
    signs = np.where(np.arange(45 * 3).reshape(45, 3) % 3 == 0, -0.0, 0.0)
    yield "random", normal
    yield "constant", np.full((45, 3), 0.37)
    yield "zero", np.zeros((45, 3))
    yield "zeros of both signs", signs
    yield "negative", -np.abs(normal) - 0.5
    yield "halves", np.round(normal * 4) / 8
    yield "tiny", normal * 6e-8
    yield "subnormal", np.where(np.abs(normal) < 0.2, 0, normal * 1e-39)
    yield "one input", normal[:1]
    yield "wide", rng.standard_normal((300, 2))


def quantized(weight, bits, block, symmetric):
    """The tensors that MatMulNBits reads: numbers, scales and, if not symmetric, zero points."""
    tensor = helper.make_tensor("w", helper.np_dtype_to_tensor_dtype(weight.dtype), weight.shape, weight.tobytes(), raw=True)
    element = tensor.data_type
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", element, ["B", weight.shape[0]])],
        [helper.make_tensor_value_info("y", element, ["B", weight.shape[1]])],
        [tensor],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)])
    config = DefaultWeightOnlyQuantConfig(block_size=block, is_symmetric=symmetric, bits=bits)
    quantizer = MatMulNBitsQuantizer(model, algo_config=config)
    quantizer.process()
    graph = quantizer.model.model.graph
    (node,) = graph.node
    assert node.op_type == "MatMulNBits", node
    stored = {one.name: one for one in graph.initializer}
    return [stored[name].raw_data for name in node.input[1:]]


def main(path):
    cases = []
    for name, exact in matrices():
        for dtype, element in TYPES.items():
            if name in ("subnormal", "wide") and dtype != "float":
                continue
            weight = exact.astype(np.float32).astype(element)
            blocks = (16, 32, 64, 128, 256) if name in ("random", "wide") and dtype == "float" else (16,)
            results = []
            for block in blocks:
                for bits in (4, 8):
                    for symmetric in (True, False):
                        parts = quantized(weight, bits, block, symmetric)
                        digest = hashlib.sha256(b"".join(parts)).hexdigest()[:16]
                        results.append([bits, block, symmetric, digest])
            cases.append(
                {
                    "name": name,
                    "dtype": dtype,
                    "shape": list(weight.shape),
                    "weight": base64.b64encode(weight.tobytes()).decode(),
                    "results": results,
                }
            )
    with open(path, "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


main(sys.argv[1])
