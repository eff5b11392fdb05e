"""Record what PyTorch computes for the sample model with ScalarLM adapters, whole model, end to end.

    python adapted_oracle.py ../models/austen-llama

Puts an adapter with random weights beside every self_attn and mlp of the transformers model. Writes the weights,
`adapters.safetensors` (leaves named as in a compiled graph), and the logits, `adapted.safetensors`, for some of the
cases in `oracle.json`: tensors are named `{case}.{step}.logits`, for the inputs of that name in `oracle.safetensors`.
"""

import argparse
from pathlib import Path

import torch
from adapter_oracle import random_leaves, scalarlm_adapter
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM
from transformers.cache_utils import DynamicCache

HEADS, RANK = 4, 4
# Cases of the oracle, and how many of their steps are recorded.
CASES = {"elinor": 1, "decode": 4, "padded_batch": 2}
# Of how many positions `last_positions` keeps the logits.
LAST = 7


def adapt(model: LlamaForCausalLM, leaves: dict[str, torch.Tensor]) -> None:
    """Add to the output of each self_attn and mlp what its adapter computes from the module's input."""

    def hook_of(name: str):
        parts = [leaves[f"{name}.tokenformer_{part}"] for part in "kvp"]

        def hook(_module, args, kwargs, output):
            hidden_states = args[0] if args else kwargs["hidden_states"]
            added = scalarlm_adapter(hidden_states, *parts)
            if isinstance(output, tuple):
                return (output[0] + added, *output[1:])
            return output + added

        return hook

    for i, layer in enumerate(model.model.layers):
        for kind in ("self_attn", "mlp"):
            hook = hook_of(f"model.layers.{i}.{kind}")
            getattr(layer, kind).register_forward_hook(hook, with_kwargs=True)


@torch.no_grad()
def record(model: LlamaForCausalLM, oracle: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The logits of every recorded step."""
    logits = {}
    for case, steps in CASES.items():
        cache = DynamicCache(config=model.config)
        for step in range(steps):
            parts = ("input_ids", "attention_mask", "position_ids")
            inputs = {part: oracle[f"{case}.{step}.{part}"] for part in parts}
            name = f"{case}.{step}.logits"
            logits[name] = model(**inputs, past_key_values=cache, use_cache=True).logits
    return logits


def last_positions(logits: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The logits at the last positions, `[batch, at most LAST, vocabulary]`: a file of them is half as large.

    Padding is on the left, so that a padded row's tokens are among them.
    """
    return {name: values[:, -LAST:].contiguous() for name, values in logits.items()}


def main() -> None:
    """Record the adapted logits of the model folder given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    folder = parser.parse_args().model
    model = LlamaForCausalLM.from_pretrained(folder, attn_implementation="sdpa").eval()
    generator = torch.Generator().manual_seed(11)
    leaves = {
        f"model.layers.{i}.{kind}.{leaf}": tensor
        for i in range(model.config.num_hidden_layers)
        for kind in ("self_attn", "mlp")
        for leaf, tensor in random_leaves(generator, model.config.hidden_size, HEADS, RANK, p_std=0.05).items()
    }
    save_file(leaves, folder / "adapters.safetensors", metadata={"format": "pt"})
    adapt(model, load_file(folder / "adapters.safetensors"))
    oracle = load_file(folder / "oracle.safetensors")
    logits = record(model, oracle)
    for name, tensor in logits.items():
        change = (tensor - oracle[name]).abs().max().item()
        print(f"{name}: {list(tensor.shape)}, the adapters change logits by up to {change:.1f}")
    save_file(logits, folder / "adapted.safetensors")


if __name__ == "__main__":
    main()
