"""Writes test/runtime/model/merged.onnx.gz and merged.json: a tiny Llama as optimum exports it in two halves and merges
them, and the tokens that transformers generates with it.

Needs torch, transformers 4.57, optimum-onnx. Usage: python merged_decoder.py FOLDER
"""

import gzip
import json
import sys
import tempfile
from pathlib import Path

import onnx
import torch
from optimum.exporters.onnx import export
from optimum.exporters.onnx.model_configs import LlamaOnnxConfig
from optimum.onnx.graph_transformations import merge_decoders
from transformers import LlamaConfig, LlamaForCausalLM

PROMPTS = [[1, 5, 9, 33, 7], [40], list(range(3, 20))]
NEW = 16


def tiny() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        attn_implementation="eager",
    )
    model = LlamaForCausalLM(config).eval()
    for weight in model.parameters():
        if weight.dim() == 2:
            torch.nn.init.normal_(weight, std=0.5)
            weight.data = weight.data.half().float()
    return model


def shorten(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Gives values short names and nodes none, for a small file."""
    def short(name: str) -> str:
        return names.setdefault(name, f"v{len(names)}") if name else ""

    del graph.value_info[:]
    for node in graph.node:
        node.ClearField("doc_string")
        node.ClearField("name")
        node.input[:] = map(short, node.input)
        node.output[:] = map(short, node.output)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                shorten(attribute.g, names)
    for value in [*graph.initializer, *graph.input, *graph.output]:
        value.name = short(value.name)


def main(folder: Path) -> None:
    model = tiny()
    with tempfile.TemporaryDirectory() as root:
        halves = [Path(root) / "decoder_model.onnx", Path(root) / "decoder_with_past_model.onnx"]
        for half, past in zip(halves, (False, True)):
            config = LlamaOnnxConfig(model.config, task="text-generation", use_past=True, use_past_in_inputs=past)
            export(model, config, half, opset=17)
        merged = merge_decoders(*halves, save_path=Path(root) / "merged.onnx", strict=False)
    graph = merged.graph
    shorten(graph, {port.name: port.name for port in [*graph.input, *graph.output]})
    onnx.checker.check_model(merged)
    (folder / "merged.onnx.gz").write_bytes(gzip.compress(merged.SerializeToString(), 9, mtime=0))
    answers = []
    for prompt in PROMPTS:
        ids = model.generate(torch.tensor([prompt]), max_new_tokens=NEW, do_sample=False, eos_token_id=None, pad_token_id=0)
        answers.append({"prompt": prompt, "ids": ids[0, len(prompt) :].tolist()})
    (folder / "merged.json").write_text(json.dumps(answers) + "\n")


main(Path(sys.argv[1]))
