"""Weights of quantized exports, as numbers in the model that they were made of."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

Arrays = dict[str, np.ndarray]


def dequantized(file: Path) -> Iterator[np.ndarray]:
    """The quantized matrices of a graph, `[out, in]`."""
    graph = onnx.load(file).graph
    arrays = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    for node in graph.node:
        if node.op_type == "MatMulNBits":
            yield of_bits(node, arrays)
        elif node.op_type == "MatMulInteger" and node.input[1] in arrays:
            base = node.input[1].removesuffix("_quantized")
            yield scaled(arrays, base, None).T
        elif node.op_type == "DequantizeLinear" and arrays.get(node.input[0], np.zeros(0)).ndim == 2:
            axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
            yield scaled(arrays, node.input[0].removesuffix("_quantized"), axis).T


def of_bits(node: onnx.NodeProto, arrays: Arrays) -> np.ndarray:
    """What MatMulNBits multiplies by: blocks of inputs share a scale; the low half of a byte comes first."""
    given = {a.name: a.i for a in node.attribute}
    assert given["bits"] == 4, given
    packed, scales = (arrays[name] for name in node.input[1:3])
    numbers = np.stack([packed & 15, packed >> 4], -1).reshape(packed.shape[0], packed.shape[1], -1).astype(np.float64)
    zero = np.full((*packed.shape[:2], 1), 8.0)
    if len(node.input) > 3 and node.input[3]:
        points = arrays[node.input[3]].reshape(packed.shape[0], -1)
        zero = np.stack([points & 15, points >> 4], -1).reshape(packed.shape[0], -1, 1)[:, : packed.shape[1]]
    blocks = (numbers - zero) * scales.reshape(*packed.shape[:2], 1).astype(np.float64)
    return blocks.reshape(packed.shape[0], -1)[:, : given["K"]]


def scaled(arrays: Arrays, base: str, axis: int | None) -> np.ndarray:
    """Integers of a tensor or of each of its columns, times their scales."""
    numbers, scale, zero = (arrays[f"{base}_{part}"].astype(np.float64) for part in ("quantized", "scale", "zero_point"))
    if axis is not None and scale.ndim == 1:
        shape = [-1 if i == axis % 2 else 1 for i in range(2)]
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    return (numbers - zero) * scale


Rows = tuple[torch.nn.Linear, int, int]


def holders(model: torch.nn.Module) -> Iterator[list[Rows]]:
    """The rows of linears that one matrix of an export may hold: a linear's, some linears' joined, or half of them."""
    linears = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    for linear in linears:
        yield [(linear, 0, linear.out_features)]
    for layer in model.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        if hasattr(attention, "q_proj"):
            yield [(m, 0, m.out_features) for m in (attention.q_proj, attention.k_proj, attention.v_proj)]
        if hasattr(mlp, "gate_up_proj"):
            width = mlp.gate_up_proj.out_features // 2
            yield [(mlp.gate_up_proj, 0, width)]
            yield [(mlp.gate_up_proj, width, 2 * width)]


def put(model: torch.nn.Module, file: Path) -> int:
    """Gives the model's linears the numbers of a quantized export, each matrix where it is near; how many there were."""
    wholes = [(rows, torch.cat([m.weight.data[a:b] for m, a, b in rows]).double()) for rows in holders(model)]
    found = list(dequantized(file))
    for matrix in found:
        numbers = torch.from_numpy(np.ascontiguousarray(matrix)).double()
        near = [(rows, (numbers - w).norm() / w.norm()) for rows, w in wholes if w.shape == numbers.shape]
        rows, distance = min(near, key=lambda one: one[1])
        assert distance < 0.2, (file, distance)
        for (module, start, end), part in zip(rows, numbers.split([b - a for _, a, b in rows])):
            if module.weight.dtype != torch.float64:
                module.weight = torch.nn.Parameter(module.weight.data.double())
            module.weight.data[start:end] = part
    return len(found)
