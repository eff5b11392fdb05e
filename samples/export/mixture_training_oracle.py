"""Record losses and gradients of routers and experts, in float64 by torch.autograd.

    python mixture_training_oracle.py ../../test/models/train-oracle-mixtures.json

Of each family all weights of its mixtures, as transformers has them, and of some with experts apart, each a matrix, as
other exporters write them. The batch is that of `family_training_oracle.py`.
"""

import argparse
import json
from pathlib import Path

import torch
import transformers
from adapter_training_oracle import lines
from family_adapters import model_of
from training.precise import doubled, precise
from training.record import as_lists, batch_of, judged, of_gradient, rounded

import family_models

SAMPLES, LENGTH = 6, 10
FAMILIES = ("mixtral", "qwen2-moe", "qwen3-moe")
APART = ("qwen3-moe",)


def apart(gradients: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Gradients of stacks as those of each expert's matrices."""
    found = {}
    for name, gradient in gradients.items():
        if ".experts." not in name:
            found[name] = gradient
            continue
        block, stack = name.split(".experts.")
        for i, matrix in enumerate(gradient):
            parts = {"down_proj": matrix}
            if stack == "gate_up_proj":
                parts = dict(zip(("gate_proj", "up_proj"), matrix.chunk(2)))
            found |= {f"{block}.experts.{i}.{kind}.weight": part for kind, part in parts.items()}
    return found


def step(family: str, batch: dict[str, torch.Tensor]) -> tuple[dict, dict[str, torch.Tensor]]:
    """The loss, and gradients of all that is in mixtures."""
    model = model_of(family)
    model.set_attn_implementation("eager")
    model.set_experts_implementation("eager")  # others know no float64
    model = doubled(model)
    leaves = {n: p.requires_grad_() for n, p in model.named_parameters() if ".mlp." in n}
    with precise():
        loss = model(**batch, use_cache=False).loss
        gradients = torch.autograd.grad(loss, list(leaves.values()))
    assert loss.dtype == torch.float64, loss.dtype
    record = {"loss": rounded(loss.item()), "tokens": judged(batch["labels"])}
    return record, dict(zip(leaves, gradients))


def main() -> None:
    """Record each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    batch = batch_of(torch.Generator().manual_seed(5), family_models.VOCABULARY, LENGTH)
    kinds = {}
    for family in FAMILIES:
        record, gradients = step(family, batch)
        named = {family: gradients} | ({f"{family} apart": apart(gradients)} if family in APART else {})
        for name, of in named.items():
            kinds[name] = record | {"gradients": {n: of_gradient(n, g, SAMPLES) for n, g in of.items()}}
            print(f"{name}: loss {record['loss']}, {' '.join(of)}")
    recorded = {
        "about": "Losses and gradients by torch.autograd in float64; see samples/export/mixture_training_oracle.py.",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "samples": SAMPLES,
        "batch": as_lists(batch),
    }
    head = ",\n".join(f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in recorded.items())
    options.out.write_text(f'{{\n{head},\n"kinds":{lines(kinds)}\n}}\n')


if __name__ == "__main__":
    main()
