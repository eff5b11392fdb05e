"""Export the model as a serving engine would have it, twice, over one file of weights.

    python export_vllm.py ../models/austen-llama ../models/austen-llama/vllm

`paged.onnx` has `com.microsoft::PagedAttention` with the rotary embedding inside and
`com.microsoft::SkipSimplifiedLayerNormalization`. `opaque.onnx` is what a tracer leaves: `vllm::unified_attention`
without a body, and `vllm::fused_add_rms_norm` as a function of the model.
"""

import argparse
import hashlib
from pathlib import Path

import onnx
import onnx_ir as ir
import onnxscript
import torch
from safetensors.torch import load_file
from torch.export import Dim
from transformers import AutoConfig

from export_dynamo import shorten_stack_traces
from vllm_llama import VllmLlama

OPSET = 20
WEIGHTS = "weights.data"
EPSILON = 1e-5
# Smaller tensors stay in the graph.
EXTERNAL_FROM = 1024


def op(domain: str, name: str, inputs: int, outputs: int, attributes: dict) -> onnxscript.values.Op:
    """An op of another domain than ONNX's, of any types; inputs may be left out."""
    schema = onnx.defs.OpSchema
    kinds = {int: schema.AttrType.INT, float: schema.AttrType.FLOAT, str: schema.AttrType.STRING}
    optional = schema.FormalParameterOption.Optional
    every = ["tensor(float)", "tensor(int32)", "tensor(int64)"]
    made = schema(
        name,
        domain,
        1,
        inputs=[schema.FormalParameter(f"in{i}", f"T{i}", param_option=optional) for i in range(inputs)],
        outputs=[schema.FormalParameter(f"out{i}", f"U{i}", param_option=optional) for i in range(outputs)],
        type_constraints=[(f"T{i}", every, "") for i in range(inputs)]
        + [(f"U{i}", every, "") for i in range(outputs)],
        attributes=[schema.Attribute(key, kinds[kind], "", required=True) for key, kind in attributes.items()],
    )
    return onnxscript.values.Op(onnxscript.values.Opset(domain, 1), name, made)


HEADS = {"num_heads": int, "kv_num_heads": int, "scale": float}
PAGED = op("com.microsoft", "PagedAttention", 10, 3, {**HEADS, "do_rotary": int})
SKIP_NORM = op("com.microsoft", "SkipSimplifiedLayerNormalization", 3, 4, {"epsilon": float})
UNIFIED = op("vllm", "unified_attention", 9, 3, {"layer_name": str, **HEADS})
ADD_NORM = op("vllm", "fused_add_rms_norm", 3, 2, {"epsilon": float})


def paged(qkv, key_cache, value_cache, lengths, past, table, cos, sin, num_heads, num_kv_heads, scale):
    """`contrib::paged_attention` as onnxruntime has it: key and value are left out where all three are packed."""
    return PAGED(
        qkv, None, None, key_cache, value_cache, lengths, past, table, cos, sin,
        num_heads=num_heads, kv_num_heads=num_kv_heads, scale=scale, do_rotary=1,
    )  # fmt: skip


def skip_norm(x, residual, weight, epsilon):
    """`vllm::fused_add_rms_norm` as onnxruntime has it: the sum is the fourth output."""
    normed, _, _, total = SKIP_NORM(x, residual, weight, epsilon=epsilon)
    return normed, total


def unified(*operands):
    """`vllm::unified_attention`, left as it is."""
    *tensors, name, num_heads, num_kv_heads, scale = operands
    return UNIFIED(
        *tensors, layer_name=name, num_heads=num_heads, kv_num_heads=num_kv_heads, scale=scale
    )  # fmt: skip


def add_norm(x, residual, weight, epsilon):
    """`vllm::fused_add_rms_norm`, left as it is."""
    return ADD_NORM(x, residual, weight, epsilon=epsilon)


def add_norm_function() -> ir.Function:
    """The body of `vllm::fused_add_rms_norm`."""
    text = f"""
        <domain: "vllm", opset_import: ["" : {OPSET}]>
        fused_add_rms_norm <epsilon> (x, residual, weight) => (normed, total) {{
            total = Add (x, residual)
            square = Mul (total, total)
            axes = Constant <value = int64[1] {{-1}}> ()
            mean = ReduceMean <keepdims = 1> (square, axes)
            eps = Constant <value_float: float = @epsilon> ()
            eps_like = CastLike (eps, x)
            shifted = Add (mean, eps_like)
            root = Sqrt (shifted)
            unit = Div (total, root)
            normed = Mul (unit, weight)
        }}"""
    return ir.from_proto(onnx.parser.parse_function(text))


def export(model: VllmLlama, config, fused: bool) -> ir.Model:
    """Trace the module; two sequences with every length different, so that none is taken for another."""
    layers, tokens, blocks, size, batch, most = range(config.num_hidden_layers), 7, 9, 4, 2, 5
    shape = (blocks, size, config.num_key_value_heads, config.head_dim)
    whole = {"dtype": torch.int32}
    inputs = {
        "input_ids": torch.randint(config.vocab_size, (tokens,)),
        "caches": [torch.randn(shape) for _ in range(2 * len(layers))],
        "logits_indices": torch.tensor([2, 5, 6]),
    }
    meta = {
        "positions": torch.arange(tokens),
        "cumulative_sequence_length": torch.tensor([0, 3, tokens], **whole),
        "past_seqlens": torch.tensor([0, 6], **whole),
        "block_table": torch.arange(1, batch * most + 1, **whole).view(batch, most) % blocks,
        **({} if fused else {"slot_mapping": torch.arange(tokens, **whole)}),
    }
    names = [f"{i}.{part}" for i in layers for part in ("key", "value")]
    T, B = {0: Dim("num_tokens")}, Dim("batch_size")
    program = torch.onnx.export(
        model,
        kwargs={**inputs, "meta": meta},
        dynamo=True,
        opset_version=OPSET,
        dynamic_shapes={
            "input_ids": T,
            "caches": [{0: Dim("num_blocks"), 1: Dim("block_size")} for _ in names],
            "logits_indices": {0: Dim("num_logits")},
            "meta": {
                "positions": T,
                "cumulative_sequence_length": {0: B + 1},
                "past_seqlens": {0: B},
                "block_table": {0: B, 1: Dim("max_blocks")},
                **({} if fused else {"slot_mapping": T}),
            },
        },
        input_names=["input_ids", *(f"cache.{name}" for name in names), "logits_indices", *meta],
        output_names=["logits", *(f"updated_cache.{name}" for name in names)],
        custom_translation_table={
            torch.ops.contrib.paged_attention.default: paged,
            torch.ops.vllm.unified_attention.default: unified,
            torch.ops.vllm.fused_add_rms_norm.default: skip_norm if fused else add_norm,
        },
    )
    shorten_stack_traces(program)
    for node in program.model.graph:
        if node.op_type == SKIP_NORM.name:
            for statistic in node.outputs[1:3]:
                statistic.name = ""  # left out: nothing reads them
    return program.model


def share_weights(models: list[ir.Model], folder: Path) -> None:
    """Put the models' weights into one file, each different one once, and refer to them there."""
    places: dict[str, int] = {}
    with (folder / WEIGHTS).open("wb") as file:
        for value in (v for model in models for v in model.graph.initializers.values()):
            tensor = value.const_value
            if tensor.size < EXTERNAL_FROM:
                continue
            content = tensor.tobytes()
            key = f"{tensor.dtype}{tensor.shape}{hashlib.sha256(content).hexdigest()}"
            if key not in places:
                file.write(bytes(-file.tell() % 64))
                places[key] = file.tell()
                file.write(content)
            value.const_value = ir.ExternalTensor(
                WEIGHTS, places[key], len(content), tensor.dtype,
                shape=tensor.shape, name=value.name, base_dir=folder,
            )  # fmt: skip


def main() -> None:
    """Export the model folder given first into the folder given second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    config = AutoConfig.from_pretrained(options.model)
    assert config.rms_norm_eps == EPSILON and config.tie_word_embeddings
    weights = load_file(options.model / "model.safetensors")
    models = {}
    for name, fused in {"paged": True, "opaque": False}.items():
        models[name] = export(VllmLlama(config, fused).load(weights), config, fused)
    function = add_norm_function()
    models["opaque"].functions[function.identifier()] = function
    share_weights(list(models.values()), options.out)
    for name, model in models.items():
        path = options.out / f"{name}.onnx"
        ir.save(model, path)
        onnx.checker.check_model(path)


if __name__ == "__main__":
    main()
