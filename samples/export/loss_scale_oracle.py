"""Record what torch.amp.GradScaler makes of losses in float16.

    python loss_scale_oracle.py ../../test/models/loss-scale-oracle.json

`scales` are those behind runs of steps whose gradients were finite or not, with the scaler's usual settings. `steps` are
those of the sample model in float16 with LoRA, whose leaves are float32: losses, and norms of gradients.
"""

import argparse
import json
from pathlib import Path

import torch
import transformers
from adapter_training_oracle import CLIP, DECAY, LORA, RATE, text_batches
from generate_models import AUSTEN
from half_oracle import halved
from peft_adapters import base_model
from training.adapters import Adapters
from training.record import rounded

STEPS = 12
RUNS = ((True, 1999), (True, 1), (False, 1), (False, 3), (True, 1999), (False, 1), (True, 1999), (True, 1), (True, 2000))


def scales() -> list[dict]:
    """The scale behind each run of steps."""
    scaler = torch.amp.GradScaler("cpu")
    leaf = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([leaf], lr=0.0)
    found = []
    for finite, count in RUNS:
        for _ in range(count):
            scaler.scale(torch.zeros(()))
            leaf.grad = torch.tensor([1.0 if finite else float("inf")])
            scaler.step(optimizer)
            scaler.update()
        found.append({"finite": finite, "steps": count, "scale": scaler.get_scale()})
    return found


def steps(batches: list[dict[str, torch.Tensor]]) -> list[dict]:
    """Steps of AdamW in float16."""
    model = halved(base_model(AUSTEN), torch.float16).requires_grad_(False)
    model.set_attn_implementation("eager")
    adapters = Adapters(model, torch.float32, used=torch.float16)
    for projection in ("q_proj", "v_proj"):
        adapters.lora(projection, **LORA)
    leaves = list(adapters.leaves.values())
    optimizer = torch.optim.AdamW(leaves, lr=RATE, weight_decay=DECAY)
    scaler = torch.amp.GradScaler("cpu")
    made = []
    for i in range(STEPS):
        optimizer.zero_grad()
        loss = model(**batches[i % len(batches)], use_cache=False).loss
        scaler.scale(loss.float()).backward()
        scaler.unscale_(optimizer)
        norm = torch.nn.utils.clip_grad_norm_(leaves, CLIP)
        scaler.step(optimizer)
        scaler.update()
        made.append({"loss": rounded(loss.item()), "norm": rounded(norm.item())})
    return made


def main() -> None:
    """Record both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    recorded = {
        "about": "torch.amp.GradScaler; see samples/export/loss_scale_oracle.py.",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "scales": scales(),
        "steps": steps(text_batches()),
    }
    for one in recorded["steps"]:
        print(one)
    options.out.write_text(json.dumps(recorded, indent=2) + "\n")


if __name__ == "__main__":
    main()
