"""Record losses and gradients of adapters, and of weights of the base, in float64 by torch.autograd.

    python adapter_training_oracle.py ../../test/models/train-oracle.json

Of the sample model with each kind of adapter: loss and gradients for one batch, with padding on either side and labels
that do not count. Then the losses of fifty steps of torch.optim.AdamW with clipping, of LoRA and of ScalarLM's adapters.

Adapters are hooks (`training/adapters.py`), their numbers those that `numbers` of `generate_models.py` makes of the
leaf's name. DoRA's are those of the folder that PEFT loads.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import transformers
from generate_models import AUSTEN
from peft import PeftModel
from peft_adapters import base_model
from training.adapters import Adapters, Leaves
from training.precise import doubled, precise
from training.record import as_lists, batch_of, judged, of_gradient, rounded
from transformers import AutoTokenizer

from families import OUT

SAMPLES, LENGTH = 64, 12
LORA = {"rank": 4, "alpha": 16}
STEPS, RATE, DECAY, CLIP = 50, 5e-3, 0.01, 1.0
BASE = ("norm", "embed_tokens", "q_proj")
TEXTS = (
    "It is a truth universally acknowledged, that a single man in possession of a good fortune,",
    "She could not help laughing at the ease with which he told the story, and said so to her sister.",
    '"My dear Emma," said Mr. Knightley, "you are mistaken in him, and I am afraid you always will be."',
    "The evening was spent quietly at home; the rain had not ceased since morning, and nobody called.",
    "Captain Wentworth was on the stairs before her father had finished his letter to the baronet.",
    "There was no being displeased with such an encourager, and Elinor was satisfied to wait.",
)

Made = tuple[torch.nn.Module, Leaves]


def scalarlm() -> Made:
    adapters = Adapters(doubled(base_model(AUSTEN)))
    for module in ("self_attn", "mlp"):
        adapters.scalarlm(module)
    return adapters.model, adapters.leaves


def pattentions() -> Made:
    adapters = Adapters(doubled(base_model(AUSTEN)))
    adapters.pattention("mlp", "l2_norm_gelu", 16, [0, 1, 2, 3])
    adapters.pattention("mlp", "softmax", 8, [4, 5])
    adapters.pattention("self_attn", "gelu_l2_norm", 8, [1, 5])
    return adapters.model, adapters.leaves


def lora() -> Made:
    adapters = Adapters(doubled(base_model(AUSTEN)))
    for projection in ("q_proj", "v_proj"):
        adapters.lora(projection, **LORA)
    for projection in ("k_proj", "o_proj", "gate_proj", "up_proj", "down_proj"):
        adapters.lora(projection, **LORA, layers=[0, 5])
    return adapters.model, adapters.leaves


def plain_lora() -> Made:
    adapters = Adapters(doubled(base_model(AUSTEN)))
    for projection in ("q_proj", "v_proj"):
        adapters.lora(projection, **LORA)
    return adapters.model, adapters.leaves


def replaced() -> Made:
    adapters = Adapters(doubled(base_model(AUSTEN)))
    attention = {f"self_attn.{p}_proj": 16 for p in "qkvo"}
    adapters.replace({**attention, "mlp": 24})
    return adapters.model, adapters.leaves


def dora() -> Made:
    model = PeftModel.from_pretrained(base_model(AUSTEN), OUT / "peft" / "dora")
    return model, peft_leaves(doubled(model))


def peft_leaves(model: torch.nn.Module) -> Leaves:
    """The parameters that PEFT trains, under the names of a compiled graph."""
    leaves = {}
    for name, parameter in model.named_parameters():
        if ".lora_" not in name:
            continue
        parameter.requires_grad_()
        name = name.removeprefix("base_model.model.").replace(".default", "")
        leaves[name.replace("lora_magnitude_vector.weight", "lora_magnitude_vector")] = parameter
    return leaves


def base() -> Made:
    """Weights of the base, as ScalarLM's trainer trains them, and its adapters beside the MLPs of two layers."""
    adapters = Adapters(doubled(base_model(AUSTEN)))
    adapters.scalarlm("mlp", [0, 5])
    trained = {n: p.requires_grad_() for n, p in adapters.model.named_parameters() if any(b in n for b in BASE)}
    return adapters.model, adapters.leaves | trained


KINDS: dict[str, Callable[[], Made]] = {
    "scalarlm": scalarlm,
    "pattention": pattentions,
    "lora": lora,
    "dora": dora,
    "replaced": replaced,
    "base": base,
}
CURVES = {"lora": plain_lora, "scalarlm": scalarlm}


def step(made: Made, batch: dict[str, torch.Tensor], count: int) -> dict:
    """Loss and gradients of one batch."""
    model, leaves = made
    with precise():
        loss = model(**batch, use_cache=False).loss
        gradients = torch.autograd.grad(loss, list(leaves.values()))
    assert loss.dtype == torch.float64, loss.dtype
    return {
        "loss": rounded(loss.item()),
        "tokens": judged(batch["labels"]),
        "gradients": {n: of_gradient(n, g, count) for n, g in zip(leaves, gradients)},
    }


def curve(made: Made, batches: list[dict[str, torch.Tensor]]) -> Iterator[tuple[float, float]]:
    """Losses, and norms of gradients before clipping, of AdamW."""
    model, leaves = made
    optimizer = torch.optim.AdamW(leaves.values(), lr=RATE, weight_decay=DECAY)
    for i in range(STEPS):
        optimizer.zero_grad()
        with precise():
            loss = model(**batches[i % len(batches)], use_cache=False).loss
            loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(leaves.values(), CLIP)
        optimizer.step()
        yield rounded(loss.item()), rounded(norm.item())


def text_batches() -> list[dict[str, torch.Tensor]]:
    """The sentences, three to a batch, padded on the right."""
    tokenizer = AutoTokenizer.from_pretrained(AUSTEN)
    ids = [tokenizer(text)["input_ids"] for text in TEXTS]
    batches = []
    for some in (ids[:3], ids[3:]):
        longest = max(map(len, some))
        rows = torch.tensor([row + [0] * (longest - len(row)) for row in some])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in some])
        labels = torch.where(mask == 1, rows, -100)
        batches.append({"input_ids": rows, "attention_mask": mask, "labels": labels})
    return batches


def main() -> None:
    """Record every kind, and the curves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    batch = batch_of(torch.Generator().manual_seed(12), 2048, LENGTH)
    kinds, curves = {}, {}
    for name, make in KINDS.items():
        kinds[name] = step(make(), batch, SAMPLES)
        largest = [g["max"] for g in kinds[name]["gradients"].values()]
        print(f"{name}: loss {kinds[name]['loss']:.4f}, gradients to {min(largest):.2g} … {max(largest):.2g}")
    batches = text_batches()
    for name, make in CURVES.items():
        made = list(curve(make(), batches))
        curves[name] = {"loss": [loss for loss, _ in made], "norm": [norm for _, norm in made]}
        print(f"{name}: {curves[name]['loss'][0]:.3f} → {curves[name]['loss'][-1]:.3f}, norm {curves[name]['norm'][0]:.2f}")
    recorded = {
        "about": "Losses and gradients by torch.autograd in float64; see samples/export/adapter_training_oracle.py.",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "samples": SAMPLES,
        "batch": as_lists(batch),
        "optimizer": {"rate": RATE, "decay": DECAY, "clip": CLIP},
        "batches": [as_lists(b) for b in batches],
    }
    head = ",\n".join(f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in recorded.items())
    options.out.write_text(f'{{\n{head},\n"kinds":{lines(kinds)},\n"curves":{lines(curves)}\n}}\n')


def lines(parts: dict[str, dict]) -> str:
    """JSON with a line for each gradient."""

    def one(part: dict) -> str:
        rest = {k: v for k, v in part.items() if k != "gradients"}
        text = json.dumps(rest, separators=(",", ":"))
        if "gradients" not in part:
            return text
        rows = ",\n".join(f"{json.dumps(n)}:{json.dumps(g, separators=(',', ':'))}" for n, g in part["gradients"].items())
        return f'{text[:-1]},"gradients":{{\n{rows}\n}}}}'

    return "{\n" + ",\n".join(f"{json.dumps(n)}:{one(p)}" for n, p in parts.items()) + "\n}"


if __name__ == "__main__":
    main()
