"""Makes the models of `npm run bench -- lower`: python lower-models.py WHAT ARGUMENTS

base DIR SHAPE         a Llama with random weights, or Qwen3's mixture of experts where SHAPE, as JSON, has some: DIR/hf
                       (the Hugging Face folder) and DIR/model.onnx (torch.onnx.export(dynamo=True), cache included)
optimize_for_ort MODEL OUT   onnxscript's rewrites of an export
ort-optimizer MODEL OUT      onnxruntime's transformer optimizer
genai HF OUT PRECISION       onnxruntime-genai's model builder, for the CPU: fp32 or int4
floor MODEL OUT              an export's products with weights alone, each fed with the product before it of its
                             width; OUT is in the export's folder
floor-int4 FLOOR OUT         those products by onnxruntime's own quantizer, symmetric, in blocks of 32

OUT is a file; weights go beside it. Prints one line of JSON: what there is to say of the model. Needs the packages of
samples/export/requirements-torch.txt, and onnxruntime-genai for genai.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

SAMPLES = Path(__file__).resolve().parent.parent / "samples"


def base(folder: str, shape: str) -> dict:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen3MoeConfig, Qwen3MoeForCausalLM

    sys.path.insert(0, str(SAMPLES / "export"))
    from export_dynamo import export

    torch.manual_seed(0)
    given = json.loads(shape)
    kinds = (Qwen3MoeConfig, Qwen3MoeForCausalLM) if "num_experts" in given else (LlamaConfig, LlamaForCausalLM)
    config = kinds[0](**given, tie_word_embeddings=False, bos_token_id=0, eos_token_id=1)
    config._attn_implementation = "sdpa"
    model = kinds[1](config).eval()
    if "num_experts" in given:
        model.set_experts_implementation("batched_mm")
    hf = Path(folder) / "hf"
    model.save_pretrained(hf)
    # genai's builder copies a tokenizer, whatever it holds.
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(SAMPLES / "models/austen-llama" / name, hf)
    export(model, Path(folder) / "model.onnx")
    return {"parameters": sum(p.numel() for p in model.parameters())}


def optimize_for_ort(model: str, out: str) -> dict:
    import onnx_ir as ir
    from onnxscript.rewriter.ort_fusions import optimize_for_ort as optimize

    optimized, counts = optimize(ir.load(model))
    ir.save(optimized, out, external_data=f"{Path(out).name}.data")
    return {"fused": {name: n for name, n in counts.items() if n}}


def ort_optimizer(model: str, out: str) -> dict:
    from onnxruntime.transformers import optimizer

    # Of its types the one that its documentation has for decoders; others find no more in this graph.
    optimized = optimizer.optimize_model(model, model_type="gpt2", opt_level=0)
    optimized.save_model_to_file(out, use_external_data_format=True)
    return {"nodes": len(optimized.model.graph.node)}


def genai(hf: str, out: str, precision: str) -> dict:
    import importlib.metadata

    from onnxruntime_genai.models.builder import create_model, parse_extra_options

    # Level 4: activations in 8 bits, what the builder's documentation advises for CPUs.
    options = ["int4_accuracy_level=4"] if precision == "int4" else []
    with tempfile.TemporaryDirectory() as tmp:
        where = (None, hf, tmp, precision, "cpu", f"{tmp}/cache")
        create_model(*where, **parse_extra_options(*where, options))
        folder = Path(out).parent
        folder.mkdir(parents=True, exist_ok=True)
        for file in Path(tmp).glob("model.onnx*"):
            shutil.move(file, folder / file.name)
    return {"version": importlib.metadata.version("onnxruntime-genai")}


def floor(model: str, out: str) -> dict:
    import onnx
    from onnx import helper

    source = onnx.load(model, load_external_data=False)
    weights = {tensor.name: tensor for tensor in source.graph.initializer}
    turns = {node.output[0]: node for node in source.graph.node if node.op_type == "Transpose" and node.input[0] in weights}
    kept, nodes, unread = {}, [], {}
    latest = None
    for node in source.graph.node:
        if node.op_type != "MatMul" or not (node.input[1] in weights or node.input[1] in turns):
            continue
        name, turn = node.input[1], turns.get(node.input[1])
        tensor = weights[name if turn is None else turn.input[0]]
        kept[tensor.name] = tensor
        width, to = tensor.dims if turn is None else reversed(tensor.dims)
        if turn is not None:
            nodes.append(turn)
        if latest is None:
            hidden, latest = width, {width: "x"}
        product = f"product_{len(nodes)}"
        nodes.append(helper.make_node("MatMul", [latest[width], name], [product]))
        unread.pop(latest[width], None)
        latest[to], unread[product] = product, to
    floats = onnx.TensorProto.FLOAT
    described = [helper.make_tensor_value_info(n, floats, ["batch", "sequence", to]) for n, to in unread.items()]
    x = helper.make_tensor_value_info("x", floats, ["batch", "sequence", hidden])
    graph = helper.make_graph(nodes, "floor", [x], described, list(kept.values()))
    # Beside the export, whose file of weights it reads.
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), out)
    return {"products": sum(node.op_type == "MatMul" for node in nodes)}


def floor_int4(model: str, out: str) -> dict:
    import numpy as np
    import onnx
    from onnx import numpy_helper
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    source = onnx.load(model)
    weights = {tensor.name: tensor for tensor in source.graph.initializer}
    # The quantizer wants constants.
    for node in [node for node in source.graph.node if node.op_type == "Transpose"]:
        turned = np.ascontiguousarray(numpy_helper.to_array(weights[node.input[0]]).T)
        source.graph.initializer.append(numpy_helper.from_array(turned, node.output[0]))
        source.graph.node.remove(node)
    # Level 4 as in genai's graphs and tfc's.
    quantizer = MatMulNBitsQuantizer(source, block_size=32, is_symmetric=True, accuracy_level=4)
    quantizer.process()
    quantizer.model.save_model_to_file(out, use_external_data_format=True)
    return {"products": sum(node.op_type == "MatMulNBits" for node in quantizer.model.model.graph.node)}


def main() -> None:
    what = {
        "base": base,
        "optimize_for_ort": optimize_for_ort,
        "ort-optimizer": ort_optimizer,
        "genai": genai,
        "floor": floor,
        "floor-int4": floor_int4,
    }[sys.argv[1]]
    answer = os.dup(1)
    # The tools print as they work: the answer has a channel of its own.
    os.dup2(2, 1)
    os.write(answer, (json.dumps(what(*sys.argv[2:])) + "\n").encode())


if __name__ == "__main__":
    main()
