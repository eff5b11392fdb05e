"""Make small PEFT adapters beyond plain LoRA of the families, with PyTorch's logits.

    python peft_variants.py ../../test/models/adapted/peft

Every adapter gets a folder as `save_pretrained` writes it, with seeded random weights, of the models that
`family_models` makes. `reference.safetensors` holds `input_ids` of two rows of eight tokens and the `logits` of the
model that `PeftModel.from_pretrained` makes of the folder.
"""

import argparse
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft_adapters import randomize
from safetensors.torch import save_file

from family_adapters import model_of
from family_check import tokens

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
MLP = ["gate_proj", "up_proj", "down_proj"]
PACKED = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]
DORA = {"r": 2, "lora_alpha": 3, "use_dora": True}
PATTERNS = {
    "rank_pattern": {"v_proj": 3, "qkv_proj": 3},
    "alpha_pattern": {"layers.1.mlp.down_proj": 5},
}
EMBEDDING = {"r": 3, "lora_alpha": 4, "target_modules": ["embed_tokens", "q_proj"]}

# name: family, and what differs from PEFT's defaults
VARIANTS = {
    "llama2-dora": ("llama2", {**DORA, **PATTERNS, "target_modules": ATTENTION + MLP}),
    "llama2-wide-dora": ("llama2-wide", {**DORA, **PATTERNS, "target_modules": ATTENTION + MLP}),
    "llama-bias-dora": ("llama-bias", {**DORA, "use_rslora": True, "target_modules": ATTENTION + MLP}),
    "qwen2-dora": ("qwen2", {**DORA, "target_modules": ["k_proj"], "layers_to_transform": [1]}),
    "phi3-dora": ("phi3", {**DORA, **PATTERNS, "target_modules": PACKED}),
    "phi3-packed": ("phi3", {"r": 2, "lora_alpha": 3, **PATTERNS, "target_modules": PACKED}),
    "phi3-wide-packed": ("phi3-wide", {"r": 2, "lora_alpha": 3, **PATTERNS, "target_modules": PACKED}),
    "llama2-embedding": ("llama2", EMBEDDING),
    "llama2-head": ("llama2", {"r": 2, "lora_alpha": 3, "target_modules": ["lm_head", "embed_tokens", "v_proj"]}),
    "gemma2-embedding": ("gemma2", EMBEDDING),
    "gemma2-tied": ("gemma2", {**EMBEDDING, "ensure_weight_tying": True}),
}


def save_adapter(family: str, settings: dict, folder: Path) -> None:
    """Write an adapter's folder."""
    config = LoraConfig(task_type="CAUSAL_LM", **settings)
    base = model_of(family)
    base.name_or_path = family
    model = get_peft_model(base, config)
    randomize(model, 5)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # PEFT has [r, tokens] and [features, r]; `randomize` knows the factors of linears.
            if "lora_embedding" in name:
                parameter.copy_(0.5 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(11)))
    # PEFT makes a set of the list, which it would save in the order of its hashes.
    config.target_modules = sorted(settings["target_modules"])
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()


def main() -> None:
    """Make what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("name", nargs="*", help="default: all")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name, (family, settings) in VARIANTS.items():
        if options.name and name not in options.name:
            continue
        folder = options.out / name
        folder.mkdir(parents=True, exist_ok=True)
        save_adapter(family, settings, folder)
        ids = tokens()
        with torch.no_grad():
            base = model_of(family)
            base.name_or_path = family
            logits = PeftModel.from_pretrained(base, folder).eval()(input_ids=ids).logits
            plain = model_of(family)(input_ids=ids).logits
        print(f"{name}: change by up to {(logits - plain).abs().max().item():.2f}")
        save_file({"input_ids": ids, "logits": logits.contiguous()}, folder / "reference.safetensors")
        (folder / "reference.safetensors").chmod(0o644)


if __name__ == "__main__":
    main()
