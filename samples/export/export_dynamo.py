"""Export a saved model with `torch.onnx.export(dynamo=True)`, KV cache included.

    python export_dynamo.py ../models/austen-llama ../models/austen-llama/dynamo
    python export_dynamo.py --dtype float16 ../models/austen-llama ../../out/half

The graph takes `input_ids`, `attention_mask`, `position_ids` and
`past_key_values.{i}.key/value`, and returns `logits` and `present.{i}.key/value`.
Batch, sequence and past lengths stay symbolic; the mask covers past + sequence.
"""

import argparse
import re
from pathlib import Path

import torch
from torch.export import Dim
from transformers import LlamaForCausalLM
from transformers.cache_utils import DynamicCache

HERE = Path(__file__).resolve().parent


class WithFlatCache(torch.nn.Module):
    """The model with its cache as a flat list of tensors: key, value, key, value, ..."""

    def __init__(self, model: LlamaForCausalLM):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, position_ids, past_key_values):
        pairs = zip(past_key_values[::2], past_key_values[1::2])
        output = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=DynamicCache(pairs, config=self.model.config),
            use_cache=True,
        )
        present = [t for layer in output.past_key_values.layers for t in (layer.keys, layer.values)]
        return output.logits, present


def example_inputs(model: LlamaForCausalLM) -> dict:
    """Inputs of two rows with every length different, so that none is taken for another."""
    config = model.config
    batch, sequence, past = 2, 5, 7
    cache_shape = (batch, config.num_key_value_heads, past, config.head_dim)
    # A cache of another type than the keys it is joined with would be promoted, and the graph with it.
    dtype = model.dtype
    return {
        "input_ids": torch.randint(config.vocab_size, (batch, sequence)),
        "attention_mask": torch.ones(batch, past + sequence, dtype=torch.int64),
        "position_ids": torch.arange(past, past + sequence).repeat(batch, 1),
        "past_key_values": [torch.randn(cache_shape, dtype=dtype) for _ in range(2 * config.num_hidden_layers)],
    }


def shorten_stack_traces(program: torch.onnx.ONNXProgram) -> None:
    """Leave out where packages and this script lie on the exporting machine.

    The exporter notes the Python stack of each node in its metadata, with full
    paths. This is the only change made to what it produces.
    """
    key = "pkg.torch.onnx.stack_trace"
    folders = re.compile(rf'(?<=File ")(?:[^"]*/site-packages|{re.escape(str(HERE))})/')
    for node in program.model.graph.all_nodes():
        if key in node.metadata_props:
            node.metadata_props[key] = folders.sub("", node.metadata_props[key])


def export(model: LlamaForCausalLM, path: Path) -> None:
    """Export `model` to `path`, with its weights in `path` + ".data"."""
    layers = range(model.config.num_hidden_layers)
    names = [f"{layer}.{part}" for layer in layers for part in ("key", "value")]
    batch, sequence = Dim("batch_size"), Dim("sequence_length")
    past, total = Dim("past_sequence_length"), Dim("total_sequence_length")
    program = torch.onnx.export(
        WithFlatCache(model).eval(),
        kwargs=example_inputs(model),
        dynamo=True,
        dynamic_shapes={
            "input_ids": {0: batch, 1: sequence},
            "attention_mask": {0: batch, 1: total},
            "position_ids": {0: batch, 1: sequence},
            "past_key_values": [{0: batch, 2: past} for _ in names],
        },
        input_names=[
            "input_ids",
            "attention_mask",
            "position_ids",
            *(f"past_key_values.{name}" for name in names),
        ],
        output_names=["logits", *(f"present.{name}" for name in names)],
    )
    shorten_stack_traces(program)
    program.save(path, external_data=True)


def main() -> None:
    """Export the model folder given first into the folder given second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--dtype", choices=["auto", "float32", "float16", "bfloat16"], default="auto")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    model = LlamaForCausalLM.from_pretrained(options.model, attn_implementation="sdpa", dtype=options.dtype).eval()
    export(model, options.out / "model.onnx")


if __name__ == "__main__":
    main()
