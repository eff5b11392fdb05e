"""Make LoRA adapters of the sample model as PEFT saves them, and record what PyTorch computes with each.

    python peft_adapters.py ../models/austen-llama ../models/peft

Every adapter gets a folder with `adapter_config.json` and `adapter_model.safetensors`, as `save_pretrained` writes
them, with seeded random weights; its model card is left out. `logits.safetensors` beside them holds the logits of the
model that `PeftModel.from_pretrained` makes of the folder: `{case}.{step}.logits`, for the inputs of that name in the
sample model's `oracle.safetensors`, at its last 7 positions where nothing takes more. The folder `dora` has none: what
DoRA computes is recorded for smaller models, by peft_variants.py.

There is no folder with `fan_in_fan_out`. The flag says that the base layer keeps its weight as `[in, out]`, as
transformers' Conv1D does. Over `nn.Linear`, which every Llama has, PEFT 0.21 warns, sets the flag to false in the
layer and in the configuration that it saves, and computes what it would have without; only an adapter of a model made
of Conv1D (GPT-2) carries the flag. It says nothing about lora_A and lora_B, whose shapes are the same either way.

PEFT sorts `rank_pattern` and `alpha_pattern` when it saves them, and the first pattern that matches a module counts.
They are therefore sorted here: otherwise PEFT itself could load another adapter than it saved.
"""

import argparse
import math
from pathlib import Path

import torch
from adapted_oracle import last_positions, record
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM

RECORDED = ("elinor.0.logits", "padded_batch.0.logits")
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
MLP = ["gate_proj", "up_proj", "down_proj"]

# name: what differs from PEFT's defaults
ADAPTERS = {
    "plain": {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"]},
    "patterns": {
        "r": 4,
        "lora_alpha": 8,
        "use_rslora": True,
        "target_modules": ATTENTION + MLP,
        "rank_pattern": {
            r"^model\.layers\.[45]\.mlp\.(gate|up)_proj": 3,
            "down_proj": 2,
            "layers.0.self_attn.q_proj": 8,
        },
        # In layer 1 the last two match: the first of them counts.
        "alpha_pattern": {r".*\.self_attn\.[kv]_proj": 6, "layers.1.self_attn.q_proj": 2, "q_proj": 12},
    },
    "some-layers": {
        "r": 4,
        "lora_alpha": 4,
        "target_modules": ["gate_proj", "up_proj"],
        "layers_to_transform": [1, 3],
    },
    "saved-modules": {
        "r": 2,
        "lora_alpha": 4,
        "target_modules": ["q_proj"],
        "modules_to_save": ["input_layernorm"],
    },
    "dora": {
        "r": 2,
        "lora_alpha": 4,
        "use_dora": True,
        "target_modules": ["q_proj"],
        "layers_to_transform": [0],
    },
}
UNRECORDED = {"dora"}
# Whose logits tests hand to `tfc verify` as a user has them, or put together by rows: at all positions.
WHOLE = {"plain", "patterns", "some-layers"}


@torch.no_grad()
def randomize(model: PeftModel, seed: int) -> None:
    """Weights as if trained: factors of a size that changes logits, other weights near what they were."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "lora_A" in name:
            parameter.copy_(noise / math.sqrt(parameter.shape[1]))
        elif "lora_B" in name:
            parameter.copy_(0.2 * noise / math.sqrt(parameter.shape[1]))
        elif parameter.requires_grad:
            parameter.mul_(1 + 0.2 * noise)


def base_model(folder: Path) -> LlamaForCausalLM:
    """The sample model. It is named after its folder, whose path would tell of this machine."""
    model = LlamaForCausalLM.from_pretrained(folder, attn_implementation="sdpa").eval()
    model.name_or_path = folder.resolve().name
    return model


def save_adapter(base: Path, settings: dict, seed: int, folder: Path) -> None:
    """Write an adapter's folder."""
    config = LoraConfig(task_type="CAUSAL_LM", **settings)
    model = get_peft_model(base_model(base), config)
    randomize(model, seed)
    # PEFT makes sets of lists, which it would save in the order of their hashes.
    for key in ("target_modules", "modules_to_save"):
        if key in settings:
            setattr(config, key, sorted(settings[key]))
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()


def main() -> None:
    """Make every adapter of the model folder given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    oracle = load_file(args.model / "oracle.safetensors")
    for seed, (name, settings) in enumerate(ADAPTERS.items(), start=19):
        folder = args.out / name
        save_adapter(args.model, settings, seed, folder)
        if name in UNRECORDED:
            continue
        model = PeftModel.from_pretrained(base_model(args.model), folder).eval()
        recorded = record(model, oracle)
        logits = {tensor: recorded[tensor] for tensor in RECORDED}
        for tensor, values in logits.items():
            assert torch.isfinite(values).all()
            change = (values - oracle[tensor]).abs().max().item()
            print(f"{name}: {tensor} change by up to {change:.1f}")
        kept = logits if name in WHOLE else last_positions(logits)
        save_file(kept, folder / "logits.safetensors")


if __name__ == "__main__":
    main()
