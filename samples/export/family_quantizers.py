"""onnxruntime's quantisers, applied to an export that is there already."""

from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    matmul_nbits_quantizer,
    quantize_dynamic,
    quantize_static,
)

import family_models

BATCH, LENGTH, PAST = 2, 5, 3


class RandomTokens(CalibrationDataReader):
    """A few steps of random tokens after a past of random keys and values."""

    def __init__(self, model: onnx.ModelProto, steps: int = 32):
        random = np.random.default_rng(0)
        inputs = {i.name: i.type.tensor_type.shape.dim for i in model.graph.input}
        caches = {name: dims for name, dims in inputs.items() if name.startswith("past")}
        self.feeds = iter(
            [
                {
                    "input_ids": random.integers(3, family_models.VOCABULARY, (BATCH, LENGTH)),
                    "attention_mask": np.ones((BATCH, PAST + LENGTH), np.int64),
                    "position_ids": np.tile(np.arange(PAST, PAST + LENGTH), (BATCH, 1)),
                }
                | {
                    name: random.normal(
                        size=(BATCH, dims[1].dim_value, PAST, dims[3].dim_value)
                    ).astype(np.float32)
                    for name, dims in caches.items()
                }
                for _ in range(steps)
            ]
        )

    def get_next(self) -> dict | None:
        """The next step, if there is one."""
        return next(self.feeds, None)


def dynamic(source: Path, path: Path) -> None:
    """Weights of 8 bits, activations quantised as they come: MatMulInteger."""
    quantize_dynamic(source, path, op_types_to_quantize=["MatMul"], weight_type=QuantType.QInt8)


def static(source: Path, path: Path) -> None:
    """Weights and activations of 8 bits between QuantizeLinear and DequantizeLinear."""
    model = onnx.load(source)
    weights = {tensor.name for tensor in model.graph.initializer}
    quantize_static(
        model,
        path,
        RandomTokens(model),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["MatMul"],
        nodes_to_quantize=[n.name for n in model.graph.node if not weights.isdisjoint(n.input)],
        per_channel=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,
    )


def nbits(source: Path, path: Path) -> None:
    """Weights of 4 bits in blocks of 32: MatMulNBits."""
    quantizer = matmul_nbits_quantizer.MatMulNBitsQuantizer(
        onnx.load(source), block_size=32, is_symmetric=True
    )
    quantizer.process()
    onnx.save(quantizer.model.model, path)


METHODS = {"dynamic": dynamic, "static": static, "nbits": nbits}
