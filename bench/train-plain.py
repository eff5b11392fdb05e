"""Makes the graph that both onnxsim and tfc can train: python train-plain.py EXPORT OUT BATCH LENGTH

onnxsim's gradients want sizes that are known, opset 17, and ops that it has rules for. So: no past, positions from 0, no
padding; what is constant then is folded by onnxsim itself; and three ops without a rule are written in ops with one.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxsim
from onnx import TensorProto, helper, numpy_helper


def fixed(model: onnx.ModelProto, batch: int, length: int) -> None:
    """Only `input_ids` stays an input, and `logits` an output."""
    graph = model.graph
    inputs, outputs = list(graph.input), [one for one in graph.output if one.name == "logits"]
    del graph.input[:], graph.output[:]
    graph.output.extend(outputs)
    for one in inputs:
        if one.name == "input_ids":
            graph.input.append(helper.make_tensor_value_info(one.name, TensorProto.INT64, [batch, length]))
            continue
        if one.name == "attention_mask":
            value = np.ones((batch, length), np.int64)
        elif one.name == "position_ids":
            value = np.tile(np.arange(length, dtype=np.int64), (batch, 1))
        else:
            _, heads, _, width = (dim.dim_value for dim in one.type.tensor_type.shape.dim)
            value = np.zeros((batch, heads, 0, width), np.float32)
        graph.initializer.append(numpy_helper.from_array(value, one.name))


def in_opset_17(model: onnx.ModelProto) -> None:
    graph = model.graph
    numbers = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    for node in graph.node:
        if node.op_type == "Pow" and numbers[node.input[1]] == 2:
            node.op_type = "Mul"
            node.input[1] = node.input[0]
        elif node.op_type == "Reciprocal":
            node.op_type = "Div"
            node.input.insert(0, "one")
        elif node.op_type == "ReduceMean":
            axes = numbers[node.input.pop(1)].tolist()
            kept = [one for one in node.attribute if one.name == "keepdims"]
            del node.attribute[:]
            node.attribute.extend([*kept, helper.make_attribute("axes", axes)])
        elif node.op_type == "Constant":
            value = node.attribute[0].t
            value.name = node.output[0]
            graph.initializer.append(value)
    graph.initializer.append(numpy_helper.from_array(np.float32(1), "one"))
    nodes = [node for node in graph.node if node.op_type != "Constant"]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    model.opset_import[0].version, model.ir_version = 17, 8


def main() -> None:
    source, target = map(Path, sys.argv[1:3])
    model = onnx.load(source)
    fixed(model, *map(int, sys.argv[3:5]))
    # With q, k and v as one product its LoRA could not go beside q and v.
    model, _ = onnxsim.simplify(model, skipped_optimizers=["fuse_qkv"])
    in_opset_17(model)
    onnx.checker.check_model(model)
    target.parent.mkdir(exist_ok=True)
    weights = target.with_name(target.name + ".data")
    weights.unlink(missing_ok=True)
    onnx.save(model, target, save_as_external_data=True, location=weights.name)


main()
