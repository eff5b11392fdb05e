"""Record losses and gradients of adapters of each family, in float64 by torch.autograd.

    python family_training_oracle.py ../../test/models/train-oracle-families.json
    python family_training_oracle.py out.json gemma2 phi3-wide       # some of them

LoRA beside two projections of each attention, and ScalarLM's adapter beside each MLP or mixture, all at once; see
`adapter_training_oracle.py`. A family is one of `family_models.py`, `-wide` with heads of 16.

`quantized` has the same of quantized exports, whose numbers PyTorch multiplies by; `half` of float16, and how far
PyTorch's own gradients in float16 are from those in float64. Both have padding on the right only.
"""

import argparse
import base64
import json
from pathlib import Path

import numpy as np
import torch
import transformers
from family_adapters import model_of
from half_oracle import halved
from training.adapters import Adapters
from training.precise import doubled
from training.quantized import put
from training.record import as_lists, batch_of, of_gradient, on_the_right, rounded
from adapter_training_oracle import LORA, lines, step

import family_models
from families import OUT
from family_exports import EXPORTS

SAMPLES, HALF_SAMPLES, LENGTH = 12, 64, 10
SCALARLM = {"heads": 4, "rank": 4}
PROJECTIONS = {"deepseek_v2": ("q_a_proj", "o_proj"), "deepseek_v3": ("q_a_proj", "o_proj")}
USUAL = ("q_proj", "v_proj")
QUANTIZED = {
    "llama2-quantized-nbits": "llama2",
    "llama2-quantized-dynamic": "llama2",
    "llama2-quantized-static": "llama2",
    "llama2-genai-int4": "llama2-wide",
    "phi3-longrope-genai-int4": "phi3-longrope-wide",
}
HALF = ("llama2", "qwen3")
# As trainers of half precision scale losses.
LOSS_SCALE = 1024


def bases() -> list[str]:
    """The families that there is an export of."""
    kept = [e for e in EXPORTS if (OUT / e.folder / e.name).exists()]
    return sorted({e.family + ("-wide" if e.wide_heads else "") for e in kept})


def adapted(base: str, weights: Path | None = None) -> Adapters:
    """A family with its adapters, and the weights of a quantized export."""
    model = model_of(base)
    if weights is not None:
        print(f"{weights.parent.name}: {put(model, weights)} matrices")
    model.set_attn_implementation("eager")
    model.set_experts_implementation("eager")  # others know no float64
    return beside_all(Adapters(doubled(model)))


def beside_all(adapters: Adapters) -> Adapters:
    """The adapters of a model."""
    model = adapters.model
    for projection in PROJECTIONS.get(model.config.model_type, USUAL):
        adapters.lora(projection, **LORA)
    adapters.scalarlm("mlp", **SCALARLM)
    return adapters


def half_step(base: str, batch: dict[str, torch.Tensor]) -> dict:
    """Loss and gradients in float64, and how far they are from that in float16, with float32 leaves."""
    exact_model = adapted(base)
    exact = step((exact_model.model, exact_model.leaves), batch, HALF_SAMPLES)
    model = halved(model_of(base), torch.float16).requires_grad_(False)
    model.set_attn_implementation("eager")
    half = beside_all(Adapters(model, torch.float32, used=torch.float16))
    loss = model(**batch, use_cache=False).loss
    gradients = torch.autograd.grad(loss * LOSS_SCALE, list(half.leaves.values()))
    for (name, row), gradient in zip(exact["gradients"].items(), gradients):
        assert gradient.dtype == torch.float32
        theirs = of_gradient(name, gradient / LOSS_SCALE, HALF_SAMPLES)
        row["half"] = rounded(apart(row, theirs))
    return exact | {"half_loss": rounded(loss.item()), "projections": USUAL}


def apart(a: dict, b: dict) -> float:
    """The norm of the differences of the recorded elements, in parts of the first's."""
    x, y = (np.frombuffer(base64.b64decode(one["some"]), "<f4").astype(np.float64) for one in (a, b))
    return float(np.linalg.norm(x - y) / np.linalg.norm(x))


def main() -> None:
    """Record every family, or those asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("base", nargs="*", help="default: all")
    options = parser.parse_args()
    torch.set_num_threads(1)
    batch = batch_of(torch.Generator().manual_seed(5), family_models.VOCABULARY, LENGTH)
    found = {}
    for base in options.base or bases():
        adapters = adapted(base)
        found[base] = step((adapters.model, adapters.leaves), batch, SAMPLES)
        found[base]["projections"] = PROJECTIONS.get(adapters.model.config.model_type, USUAL)
        largest = [g["max"] for g in found[base]["gradients"].values()]
        print(f"{base}: loss {found[base]['loss']:.4f}, {len(largest)} gradients to {min(largest):.2g} … {max(largest):.2g}")
    right = on_the_right(batch)
    quantized = {}
    for name, base in {} if options.base else QUANTIZED.items():
        adapters = adapted(base, OUT / "families" / name / "model.onnx")
        quantized[f"families/{name}"] = step((adapters.model, adapters.leaves), right, SAMPLES) | {"projections": USUAL}
    half = {base: half_step(base, right) for base in (() if options.base else HALF)}
    for base, of in half.items():
        print(f"{base}: loss {of['loss']} and {of['half_loss']}, apart {[g['half'] for g in of['gradients'].values()]}")
    exports = {
        f"{e.folder}/{e.name}": e.family + ("-wide" if e.wide_heads else "")
        for e in EXPORTS
        if (OUT / e.folder / e.name).exists()
    }
    recorded = {
        "about": "Losses and gradients by torch.autograd in float64; see samples/export/family_training_oracle.py.",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "samples": SAMPLES,
        "batch": as_lists(batch),
        "right": as_lists(right),
        "exports": exports,
    }
    head = ",\n".join(f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in recorded.items())
    options.out.write_text(f'{{\n{head},\n"families":{lines(found)},\n"quantized":{lines(quantized)},\n"half":{lines(half)}\n}}\n')


if __name__ == "__main__":
    main()
