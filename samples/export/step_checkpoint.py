"""Save adapters around MLPs as ScalarLM's trainer does where modules there have `mlp` in their names, with PyTorch's logits.

    python step_checkpoint.py ../../test/models/adapted/steps

The trainer wraps every such module: beside the MLP also a norm in front of it (`pre_mlp_layernorm`), its dropout
(`resid_mlp_dropout`), and the norm behind it (`post_mlp_layernorm`). Few models have all of them, and names are what
tells: so these are families whose modules are called so for the sake of the test, and exports of them exist. Writes
`<name>/checkpoint_1.pt` in bfloat16, and `<name>/reference.safetensors` with `input_ids` and `logits` in float32.
"""

import argparse
import zlib
from pathlib import Path

import torch
from adapter_oracle import random_leaves
from family_checkpoint import HEADS, RANK, Adapted, logits_of
from safetensors.torch import save_file

import family_models
from family_check import tokens

# name: family, and by the name in the checkpoint what it is of a layer; "" is the MLP's output
STEPS = {
    "llama2": (
        "llama2",
        {"pre_mlp_norm": "post_attention_layernorm", "shared_mlp": "mlp", "post_mlp_dropout": ""},
    ),
    "glm4": (
        "glm4",
        {
            "pre_mlp_layernorm": "post_attention_layernorm",
            "mlp": "mlp",
            "resid_mlp_dropout": "",
            "post_mlp_layernorm": "post_mlp_layernorm",
        },
    ),
    "phi": ("phi", {"mlp_dropout": ""}),
}


def wrapped(layer: torch.nn.Module, name: str, hidden: int) -> Adapted:
    """An adapter beside a module of a layer, or beside nothing behind its MLP."""
    if name:
        made = Adapted(getattr(layer, name), hidden)
        setattr(layer, name, made)
        return made
    made = Adapted(torch.nn.Identity(), hidden)
    layer.mlp = torch.nn.Sequential(layer.mlp, made)
    return made


@torch.no_grad()
def save(name: str, folder: Path) -> None:
    """Make one checkpoint, and record its logits."""
    family, steps = STEPS[name]
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    model, state = family_models.build(family), {}
    hidden = model.config.hidden_size
    for number, layer in enumerate(model.model.layers):
        for called, module in steps.items():
            adapter = wrapped(layer, module, hidden)
            for leaf, values in random_leaves(generator, hidden, HEADS, RANK, p_std=0.3).items():
                kept = values.to(torch.bfloat16)
                getattr(adapter, leaf).copy_(kept)
                state[f"model.layers.{number}.{called}.{leaf}"] = kept
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"model_state_dict": state, "step": 1, "metadata": {}}, folder / "checkpoint_1.pt")
    path = folder / "reference.safetensors"
    save_file({"input_ids": tokens(), "logits": logits_of(model)}, path)
    path.chmod(0o644)


def main() -> None:
    """Make all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    for name in STEPS:
        save(name, folder / name)


if __name__ == "__main__":
    main()
