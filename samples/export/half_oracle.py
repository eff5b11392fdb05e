"""Record what Hugging Face's models compute in float16 and bfloat16, for tests of converted graphs.

    python half_oracle.py ../../test/models/half-oracle.safetensors

For each family `FAMILY.input_ids`, eight tokens, and `FAMILY.float16` and `FAMILY.bfloat16`, the logits. Parameters have
the type, as `from_pretrained(dtype=…)` makes them; the frequencies of rotary embeddings, which are buffers, and what a
family keeps in float32 stay. Attention is computed eagerly.
"""

import copy
import sys

import torch
from safetensors.torch import save_file

import family_models
from family_check import tokens

FAMILIES = ["llama2", "qwen3", "gemma2", "phi3", "mixtral", "olmoe", "olmo2", "deepseek-v3"]


def halved(model: torch.nn.Module, dtype: torch.dtype) -> torch.nn.Module:
    """A copy of a model whose parameters have the type."""
    copied = copy.deepcopy(model)
    for parameter in copied.parameters():
        parameter.data = parameter.data.to(dtype)
    copied.config.dtype = dtype
    return copied


@torch.no_grad()
def main() -> None:
    """Record the logits."""
    torch.set_num_threads(1)
    ids = tokens()[:1]
    tensors = {}
    for family in FAMILIES:
        model = family_models.build(family)
        model.set_attn_implementation("eager")
        tensors[f"{family}.input_ids"] = ids.clone()
        for dtype in (torch.float16, torch.bfloat16):
            name = str(dtype).removeprefix("torch.")
            logits = halved(model, dtype)(input_ids=ids).logits
            assert logits.dtype == dtype, (family, logits.dtype)
            tensors[f"{family}.{name}"] = logits.contiguous()
    save_file(tensors, sys.argv[1])


if __name__ == "__main__":
    main()
