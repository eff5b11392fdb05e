"""The `torch.onnx.export(dynamo=True)` export of a family, KV cache included."""

import torch
from torch.export import Dim
from transformers.cache_utils import DynamicCache, LinearAttentionCacheLayerMixin


class WithCache(torch.nn.Module):
    """The model with its cache, never cut to a window, as a flat list of tensors."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, position_ids, past_key_values):
        output = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=DynamicCache(zip(past_key_values[::2], past_key_values[1::2])),
            use_cache=True,
        )
        present = [t for layer in output.past_key_values.layers for t in (layer.keys, layer.values)]
        return output.logits, present


def empty_cache(config) -> DynamicCache:
    """A cache that is never cut to a window, and has other states where the model does."""
    cache = DynamicCache(config=config)
    is_hybrid = any(isinstance(layer, LinearAttentionCacheLayerMixin) for layer in cache.layers)
    return cache if is_hybrid else DynamicCache()


@torch.no_grad()
def example_inputs(model: torch.nn.Module) -> dict:
    """Inputs of two rows with every length different, so that none is taken for another."""
    batch, sequence, past = 2, 5, 7
    ids = torch.randint(model.config.vocab_size, (batch, past + sequence))
    cache = empty_cache(model.config)
    model(input_ids=ids[:, :past], past_key_values=cache, use_cache=True)
    return {
        "input_ids": ids[:, past:],
        "attention_mask": torch.ones(batch, past + sequence, dtype=torch.int64),
        "position_ids": torch.arange(past, past + sequence).repeat(batch, 1),
        "past_key_values": cache,
    }


def export(model: torch.nn.Module, experts: str | None = None) -> torch.onnx.ONNXProgram:
    """The exported program; batch, sequence and past lengths stay symbolic.

    `experts` is how transformers computes a mixture: `grouped_mm` if nothing else is said, or `batched_mm`.
    """
    if experts is not None:
        model.set_experts_implementation(experts)
    layers = range(model.config.num_hidden_layers)
    names = [f"{layer}.{part}" for layer in layers for part in ("key", "value")]
    inputs = example_inputs(model)
    cached = inputs["past_key_values"].layers
    inputs["past_key_values"] = [t for layer in cached for t in (layer.keys, layer.values)]
    batch, sequence = Dim("batch_size"), Dim("sequence_length")
    past, total = Dim("past_sequence_length"), Dim("total_sequence_length")
    return torch.onnx.export(
        WithCache(model).eval(),
        kwargs=inputs,
        dynamo=True,
        dynamic_shapes={
            "input_ids": {0: batch, 1: sequence},
            "attention_mask": {0: batch, 1: total},
            "position_ids": {0: batch, 1: sequence},
            "past_key_values": [{0: batch, 2: past} for _ in names],
        },
        input_names=[*list(inputs)[:3], *(f"past_key_values.{name}" for name in names)],
        output_names=["logits", *(f"present.{name}" for name in names)],
    )
