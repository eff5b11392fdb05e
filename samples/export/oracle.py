"""Record what PyTorch computes, as the reference for every graph made of the model.

    python oracle.py ../models/austen-llama

Writes `oracle.safetensors` and `oracle.json` into the model folder. A case is a
list of steps that share one KV cache, which is empty before the first. Tensors
are named `{case}.{step}.{input_ids,attention_mask,position_ids,logits}`.
"""

import argparse
import json
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoTokenizer, LlamaForCausalLM
from transformers.cache_utils import DynamicCache

# name: (prompts, one a row, padded on the left; lengths of the steps after the first)
CASES = {
    "truth": (["It is a truth universally acknowledged, that"], []),
    "elinor": (["Elinor was very sorry to hear"], []),
    "dialogue": (['"My dear Emma," said Mr. Knightley,'], []),
    "padded_batch": (["She could not", "The next morning, as soon as breakfast was over,"], [1, 3]),
    "decode": (["Captain Wentworth had"], [1, 1, 1]),
    "chunks": (["Mr. Darcy looked at her with"], [4, 1]),
}
GREEDY_TOKENS = 24


def positions(mask: torch.Tensor) -> torch.Tensor:
    """Position of each token among the attended tokens of its row."""
    return (mask.cumsum(1) - 1).clamp(min=0)


@torch.no_grad()
def step(model: LlamaForCausalLM, cache: DynamicCache, tokens: torch.Tensor, mask: torch.Tensor):
    """Run `tokens` after what is in `cache`; return the step's inputs and logits."""
    inputs = {
        "input_ids": tokens,
        "attention_mask": mask,
        "position_ids": positions(mask)[:, -tokens.shape[1] :],
    }
    logits = model(**inputs, past_key_values=cache, use_cache=True).logits
    return {**inputs, "logits": logits}


def extend(mask: torch.Tensor, by: int) -> torch.Tensor:
    """The mask with `by` attended tokens more in each row."""
    return torch.cat([mask, mask.new_ones(len(mask), by)], dim=1)


def greedy(model: LlamaForCausalLM, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The next tokens, each the most likely one."""
    cache, chosen = DynamicCache(config=model.config), []
    while len(chosen) < GREEDY_TOKENS:
        tokens = step(model, cache, tokens, mask)["logits"][:, -1:].argmax(-1)
        mask = extend(mask, 1)
        chosen.append(tokens)
    return torch.cat(chosen, dim=1)


def record(model: LlamaForCausalLM, tokenizer, prompts: list[str], lengths: list[int]):
    """The steps of one case, and its description."""
    encoded = tokenizer(prompts, padding=True, return_tensors="pt")
    tokens, mask = encoded["input_ids"], encoded["attention_mask"]
    continuation = greedy(model, tokens, mask)
    cache = DynamicCache(config=model.config)
    steps = [step(model, cache, tokens, mask)]
    at = 0
    for length in lengths:
        mask = extend(mask, length)
        steps.append(step(model, cache, continuation[:, at : at + length], mask))
        at += length
    description = {
        "prompts": prompts,
        "step_lengths": [tokens.shape[1], *lengths],
        "greedy_ids": continuation.tolist(),
        "greedy_text": tokenizer.batch_decode(continuation),
    }
    return steps, description


def main() -> None:
    """Record every case for the model folder given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    folder = parser.parse_args().model
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = LlamaForCausalLM.from_pretrained(folder, attn_implementation="sdpa").eval()

    tensors, descriptions = {}, {}
    for name, (prompts, lengths) in CASES.items():
        steps, descriptions[name] = record(model, tokenizer, prompts, lengths)
        for i, parts in enumerate(steps):
            tensors |= {f"{name}.{i}.{part}": t.contiguous() for part, t in parts.items()}
    save_file(tensors, folder / "oracle.safetensors")
    about = {
        "about": "PyTorch float32 logits. Steps of a case share one KV cache, empty before"
        " step 0; logits at padding (attention_mask 0) mean nothing.",
        "tensors": "{case}.{step}.{input_ids,attention_mask,position_ids,logits}",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "cases": descriptions,
    }
    text = json.dumps(about, indent=2, ensure_ascii=False)
    (folder / "oracle.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
