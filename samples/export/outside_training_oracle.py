"""Record losses and gradients of embeddings and heads, and of LoRA beside them, in float64 by torch.autograd.

    python outside_training_oracle.py ../../test/models/train-oracle-outside.json

LoRA is that of the folders that `peft_variants.py` made, loaded by PEFT; what is trained of a base are its embeddings, a
head of its own, or the embeddings that are the head as well. The batch is that of `family_training_oracle.py`.
"""

import argparse
import json
from pathlib import Path

import torch
import transformers
from adapter_training_oracle import lines, step
from family_adapters import model_of
from peft import PeftModel
from training.precise import doubled
from training.record import as_lists, batch_of

import family_models

SAMPLES, LENGTH = 24, 10
PEFT = Path(__file__).parents[2] / "test/models/adapted/peft"
LORA = {"llama2-embedding": "llama2", "llama2-head": "llama2", "gemma2-embedding": "gemma2", "gemma2-tied": "gemma2"}
BASE = {"llama2 embed_tokens,lm_head": "llama2", "gemma2 embed_tokens": "gemma2"}

Made = tuple[torch.nn.Module, dict[str, torch.Tensor]]


def eager(family: str) -> torch.nn.Module:
    model = model_of(family)
    model.set_attn_implementation("eager")
    return model


def adapted(name: str, family: str) -> Made:
    """A family with an adapter of PEFT's, and its leaves under the names of a compiled graph."""
    base = eager(family)
    base.name_or_path = family
    model = doubled(PeftModel.from_pretrained(base, PEFT / name))
    leaves = {}
    for leaf, parameter in model.named_parameters():
        if ".lora_" in leaf:
            leaf = leaf.removeprefix("base_model.model.").replace(".default", "")
            for side in "AB":
                leaf = leaf.replace(f"lora_embedding_{side}", f"lora_{side}.weight")
            leaves[leaf] = parameter.requires_grad_()
    return model, leaves


def trained(words: str, family: str) -> Made:
    """Weights of the base."""
    model = doubled(eager(family))
    names = words.split(" ")[1].split(",")
    leaves = {n: p.requires_grad_() for n, p in model.named_parameters() if any(one in n for one in names)}
    return model, leaves


def main() -> None:
    """Record each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    batch = batch_of(torch.Generator().manual_seed(5), family_models.VOCABULARY, LENGTH)
    kinds = {name: step(adapted(name, family), batch, SAMPLES) for name, family in LORA.items()}
    kinds |= {words: step(trained(words, family), batch, SAMPLES) for words, family in BASE.items()}
    for name, kind in kinds.items():
        print(f"{name}: loss {kind['loss']}, {' '.join(kind['gradients'])}")
    recorded = {
        "about": "Losses and gradients by torch.autograd in float64; see samples/export/outside_training_oracle.py.",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "samples": SAMPLES,
        "batch": as_lists(batch),
    }
    head = ",\n".join(f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in recorded.items())
    options.out.write_text(f'{{\n{head},\n"kinds":{lines(kinds)}\n}}\n')


if __name__ == "__main__":
    main()
