"""Trains LoRA by onnxsim's own training loop on request, for train-onnxsim.mjs: python train-onnxsim.py none|all PLAN

`none` runs onnxsim's loop as it is: it asks onnxruntime for no optimizations; `all` asks for all of them.
PLAN is JSON: `graph` of train-plain.py, `adapters` a safetensors file with the first numbers of LoRA beside q_proj and
v_proj, `rank`, `alpha`, `batch` and `length` of the rows, `vocabulary`, `layers`, `rate`, `threads`.

Reads lines, each the number of a step; trains on that step's rows and answers with a line of JSON, { seconds,
processor, loss }, the seconds on the clock and those of all processors; for "memory" with { step, process }: bytes at most, over those just before the first step, and of the whole process.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import onnxsim
from onnx import TensorProto, helper, numpy_helper
from onnxsim import backend


def tensors(file: str) -> dict[str, np.ndarray]:
    data = Path(file).read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    return {
        name: np.frombuffer(data[start + one["data_offsets"][0] : start + one["data_offsets"][1]], np.float32).reshape(
            one["shape"]
        )
        for name, one in header.items()
    }


def adapted(plan: dict) -> tuple[onnx.ModelProto, list[str]]:
    """The graph with onnxsim's LoRA beside q and v of every layer, and its parameters, first as the file has them."""
    model = onnx.load(plan["graph"])
    held = {one.name for one in model.graph.initializer}
    products = [node.input[1] for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in held]
    # q, k, v, o, gate, up and down of each layer, and the head.
    assert len(products) == 7 * plan["layers"] + 1, products
    sites = {
        products[7 * layer + place]: f"model.layers.{layer}.self_attn.{name}"
        for layer in range(plan["layers"])
        for place, name in ((0, "q_proj"), (2, "v_proj"))
    }
    model, adapter = onnxsim.inject_lora(model, rank=plan["rank"], alpha=plan["alpha"], target_names=list(sites))
    leaves, first = tensors(plan["adapters"]), {}
    for one in adapter.targets:
        for name, leaf in ((one.lora_a_name, "A"), (one.lora_b_name, "B")):
            first[name] = leaves[f"{sites[one.weight_name]}.lora_{leaf}.weight"].T
    for one in model.graph.initializer:
        if one.name in first:
            one.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(first[one.name]), one.name))
    return model, adapter.parameter_names()


def with_loss(model: onnx.ModelProto, plan: dict) -> None:
    """Adds the loss, mean of log Σ exp(logits) − logit of the label, in ops with rules and in little memory: the logit is
    the hidden row times the head's row of the label, so that no one-hot rows stand beside the logits. Rows of ids are
    gathered flat, which its rule wants."""
    graph, (batch, length) = model.graph, (plan["batch"], plan["length"])

    def constant(name: str, value: np.ndarray) -> str:
        graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    head = next(node for node in graph.node if node.output[0] == "logits")
    weight = next(numpy_helper.to_array(one) for one in graph.initializer if one.name == head.input[1])
    place = next(at for at, node in enumerate(graph.node) if node.op_type == "Gather")
    embedding, nodes = graph.node[place], list(graph.node)
    constant("flat", np.array([-1]))
    constant("rows", np.array([batch, length, weight.shape[0]]))
    nodes[place : place + 1] = [
        helper.make_node("Reshape", ["input_ids", "flat"], ["flat_ids"]),
        helper.make_node("Gather", [embedding.input[0], "flat_ids"], ["flat_rows"]),
        helper.make_node("Reshape", ["flat_rows", "rows"], [embedding.output[0]]),
    ]
    counts = np.full((batch, length), 1 / (batch * (length - 1)), np.float32)
    counts[:, -1] = 0
    constant("head_rows", np.ascontiguousarray(weight.T))
    nodes += [
        helper.make_node("Exp", ["logits"], ["powers"]),
        helper.make_node("ReduceSum", ["powers", "flat"], ["sums"], keepdims=0),
        helper.make_node("Log", ["sums"], ["norms"]),
        helper.make_node("Gather", ["head_rows", "labels"], ["label_rows"]),
        helper.make_node("Reshape", ["label_rows", "rows"], ["label_weights"]),
        helper.make_node("Mul", [head.input[0], "label_weights"], ["terms"]),
        helper.make_node("ReduceSum", ["terms", "flat"], ["chosen"], keepdims=0),
        helper.make_node("Sub", ["norms", "chosen"], ["losses"]),
        helper.make_node("Mul", ["losses", constant("counts", counts)], ["parts"]),
        helper.make_node("ReduceSum", ["parts"], ["loss"], keepdims=0),
    ]
    del graph.node[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.input.append(helper.make_tensor_value_info("labels", TensorProto.INT64, [batch * length]))
    graph.output.append(helper.make_tensor_value_info("loss", TensorProto.FLOAT, []))


def sessions_with(threads: int, optimizations: str) -> None:
    """Has the loop's sessions run with as many threads: it has no option for that, nor for the optimizations."""

    class Runtime:
        def __getattr__(self, name: str):
            return getattr(onnxruntime, name)

        @staticmethod
        def SessionOptions():  # noqa: N802 (the name of what it stands for)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            return options

        @staticmethod
        def GraphOptimizationLevel(level: int):  # noqa: N802
            everything = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
            return everything if optimizations == "all" else onnxruntime.GraphOptimizationLevel(level)

    backend.rt = Runtime()


def kilobytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise RuntimeError(name)


def rows(step: int, plan: dict) -> np.ndarray:
    """The same rows as train-worker.mjs makes: a linear congruential generator."""
    state, ids = (12345 + step) % 2**31, []
    for _ in range(plan["batch"] * plan["length"]):
        state = (state * 1103515245 + 12345) % 2**31
        ids.append(3 + (state >> 8) % (plan["vocabulary"] - 3))
    return np.array(ids).reshape(plan["batch"], plan["length"])


def main() -> None:
    optimizations, plan = sys.argv[1], json.loads(sys.argv[2])
    sessions_with(plan["threads"], optimizations)
    model, parameters = adapted(plan)
    with_loss(model, plan)
    loop = onnxsim.compile_training_loop(model, "loss", parameters)
    # Compiled now, and not in the first step.
    loop.step_graph
    del model
    before = None
    for line in sys.stdin:
        if line.strip() == "memory":
            peak = kilobytes("VmHWM")
            print(json.dumps({"step": (peak - before) * 1024, "process": peak * 1024}), flush=True)
            continue
        ids = rows(int(line), plan)
        labels = np.concatenate([ids[:, 1:], ids[:, :1]], axis=1).reshape(-1)
        if before is None:
            before = kilobytes("VmRSS")
            Path("/proc/self/clear_refs").write_text("5")
        start, processor = time.perf_counter(), time.process_time()
        loss = loop({"input_ids": ids, "labels": labels}, lr=plan["rate"])
        took = {"seconds": time.perf_counter() - start, "processor": time.process_time() - processor}
        print(json.dumps({**took, "loss": loss}), flush=True)


main()
