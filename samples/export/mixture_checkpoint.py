"""Save weights for mixtures of experts and latent attention as ScalarLM's trainer and PEFT do, with PyTorch's logits.

    python mixture_checkpoint.py                 # all
    python mixture_checkpoint.py qwen2-moe

Writes `../models/family-adapters/<family>-mixture`: `checkpoint_1.pt` with adapters beside every MLP, and changed
weights of what all tokens go through: routers with the bias of their scores, shared experts and their gates, and of
latent attention the projections and norms. `<family>-latent` is a PEFT folder with LoRA beside the projections of latent
attention. `reference.safetensors` holds `input_ids` and the `logits` of the adapted model.
"""

import argparse
import re
import zlib
from pathlib import Path

import torch
from adapter_oracle import random_leaves
from family_checkpoint import HEADS, RANK, adapted, checkpoint, logits_of
from peft import LoraConfig, get_peft_model
from peft_adapters import randomize
from safetensors.torch import save_file

import family_models
from families import OUT
from family_check import tokens

MIXTURES = ("mixtral", "qwen2-moe", "qwen3-moe", "olmoe", "glm4-moe", "deepseek-v2", "deepseek-v3", "gpt-oss")
LATENT = ("deepseek-v2", "deepseek-v3")
LATENT_MODULES = ["q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "o_proj"]
CHANGED = re.compile(
    r"mlp\.layer\.(gate|router|shared_expert_gate)\.(weight|bias)$"
    r"|\.shared_experts?\.(gate|up|down)_proj\.weight$"
    r"|\.(q_a_proj|q_b_proj|kv_a_proj_with_mqa|kv_b_proj|q_a_layernorm|kv_a_layernorm)\.weight$"
    r"|\.e_score_correction_bias$"
)


def save_reference(folder: Path, logits: torch.Tensor) -> None:
    """The logits of the tokens that every check uses."""
    path = folder / "reference.safetensors"
    save_file({"input_ids": tokens(), "logits": logits}, path)
    path.chmod(0o644)


@torch.no_grad()
def save_mixture(family: str, folder: Path) -> None:
    """A checkpoint of ScalarLM's trainer."""
    generator = torch.Generator().manual_seed(zlib.crc32(family.encode()))
    model = adapted(family)
    hidden, state, leaves = model.config.hidden_size, {}, {}
    for name, parameter in [*model.named_parameters(), *model.named_buffers()]:
        leaf = name.rpartition(".")[2]
        if leaf == "tokenformer_k":
            leaves = random_leaves(generator, hidden, HEADS, RANK, p_std=0.3)
        if leaf in leaves:
            state[name] = leaves[leaf]
        elif CHANGED.search(name):
            state[name] = parameter * (1 + 0.2 * torch.randn(parameter.shape, generator=generator))
    torch.save(checkpoint(generator, state, 1), folder / "checkpoint_1.pt")
    assert not model.load_state_dict(state, strict=False).unexpected_keys
    save_reference(folder, logits_of(model))


@torch.no_grad()
def save_latent(family: str, folder: Path) -> None:
    """A folder of PEFT."""
    model = get_peft_model(family_models.build(family), LoraConfig(r=3, lora_alpha=6, target_modules=LATENT_MODULES))
    model.peft_config["default"].base_model_name_or_path = family
    randomize(model, zlib.crc32(family.encode()))
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    save_reference(folder, logits_of(model))


def main() -> None:
    """Make the weights of the families asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family", nargs="*", help="default: all")
    asked = parser.parse_args().family
    torch.set_num_threads(1)
    for what, families, save in (("mixture", MIXTURES, save_mixture), ("latent", LATENT, save_latent)):
        for family in families:
            if asked and family not in asked:
                continue
            folder = OUT / "family-adapters" / f"{family}-{what}"
            folder.mkdir(parents=True, exist_ok=True)
            save(family, folder)
            print(f"{folder.name}: saved", flush=True)


if __name__ == "__main__":
    main()
