"""Make trained weights for the families, as PEFT and ScalarLM's trainer save them, with PyTorch's logits.

    python family_adapters.py                        # all
    python family_adapters.py llama2-grown phi3-trained

Each lies in `../models/family-adapters/<family>[-wide]-<what>`, of the models that `family_models` makes; `wide` are
those with heads of 16, which some exporters need. `reference.safetensors` holds `input_ids` of two rows of eight
tokens and the `logits` of the adapted model.

- `trained`: `checkpoint_1.pt` of ScalarLM's trainer: adapters beside every MLP, and every parameter of the base but
  those of the MLPs behind the first layer, changed.
- `grown`: a PEFT folder of a model whose vocabulary was grown by four tokens, LoRA beside q_proj and v_proj, with
  embeddings and head saved along. The two last tokens of each row are new ones.
"""

import argparse
from pathlib import Path

import torch
from adapter_oracle import random_leaves
from peft import LoraConfig, PeftModel, get_peft_model
from peft_adapters import randomize
from safetensors.torch import save_file
from scalarlm_checkpoint import HEADS, RANK, AdaptedMlp

import family_models
from families import OUT
from family_check import tokens

TRAINED = (
    "llama2",
    "llama2-wide",
    "llama3",
    "llama-bias",
    "mistral",
    "qwen2",
    "qwen3",
    "qwen3-wide",
    "phi3",
    "phi3-wide",
    "gemma2",
    "gemma2-wide",
    "gemma3",
    "cohere",
    "glm4",
    "olmo2",
    "granite",
    "granite-wide",
    "smollm3",
    "phi",
    "phi-wide",
    "stablelm",
)
GROWN = ("llama2", "llama2-wide", "llama3", "gemma2", "qwen3-wide")
NEW_TOKENS = 4


def model_of(name: str) -> torch.nn.Module:
    """The base model."""
    family = name.removesuffix("-wide")
    return family_models.build(family, wide_heads=family != name)


def trained(name: str, generator: torch.Generator, folder: Path) -> tuple[torch.nn.Module, torch.Tensor]:
    """A checkpoint of ScalarLM's trainer, loaded again."""
    model = model_of(name)
    hidden = model.config.hidden_size
    state = {}
    for parameter_name, weight in model.named_parameters():
        if ".mlp." in parameter_name and ".layers.0." not in parameter_name:
            continue
        noise = torch.randn(weight.shape, generator=generator)
        changed = weight * (1 + 0.2 * noise) + (0.05 * noise if weight.dim() == 1 else 0)
        state[parameter_name.replace(".mlp.", ".mlp.layer.")] = changed.detach()
    for i, layer in enumerate(model.model.layers):
        layer.mlp = AdaptedMlp(layer.mlp, hidden)
        for leaf, tensor in random_leaves(generator, hidden, HEADS, RANK, p_std=0.05).items():
            state[f"model.layers.{i}.mlp.{leaf}"] = tensor
    torch.save({"model_state_dict": state, "step": 1, "epoch": 0, "metadata": {}}, folder / "checkpoint_1.pt")
    unexpected = model.load_state_dict(state, strict=False).unexpected_keys
    assert not unexpected, unexpected
    return model.eval(), tokens()


def grown(name: str, generator: torch.Generator, folder: Path) -> tuple[torch.nn.Module, torch.Tensor]:
    """A PEFT folder of a model with more tokens, loaded again."""

    def resized() -> torch.nn.Module:
        model = model_of(name)
        model.resize_token_embeddings(family_models.VOCABULARY + NEW_TOKENS, mean_resizing=False)
        model.name_or_path = name
        return model

    saved = ["embed_tokens", "lm_head"]
    settings = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], "modules_to_save": saved}
    config = LoraConfig(task_type="CAUSAL_LM", **settings)
    model = get_peft_model(resized(), config)
    randomize(model, int(torch.randint(1000, (1,), generator=generator)))
    config.target_modules, config.modules_to_save = sorted(settings["target_modules"]), sorted(saved)
    model.save_pretrained(folder, save_embedding_layers=True)
    (folder / "README.md").unlink()
    ids = tokens()
    ids[:, -2:] = family_models.VOCABULARY + torch.arange(2)
    return PeftModel.from_pretrained(resized(), folder).eval(), ids


KINDS = {"trained": (trained, TRAINED), "grown": (grown, GROWN)}


def main() -> None:
    """Make what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="*", help="default: all")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for kind, (make, families) in KINDS.items():
        for family in families:
            name = f"{family}-{kind}"
            if options.name and name not in options.name:
                continue
            folder = OUT / "family-adapters" / name
            folder.mkdir(parents=True, exist_ok=True)
            model, ids = make(family, torch.Generator().manual_seed(7), folder)
            with torch.no_grad():
                logits = model(input_ids=ids).logits
            base = model_of(family)(input_ids=ids.clamp(max=family_models.VOCABULARY - 1)).logits
            change = (logits[..., : base.shape[-1]] - base).abs().max().item()
            print(f"{name}: change by up to {change:.1f}")
            save_file({"input_ids": ids, "logits": logits.contiguous()}, folder / "reference.safetensors")
            (folder / "reference.safetensors").chmod(0o644)


if __name__ == "__main__":
    main()
