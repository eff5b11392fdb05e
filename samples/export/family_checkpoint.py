"""Make a checkpoint of each family as ScalarLM's trainer saves it, and record what PyTorch computes with it.

    python family_checkpoint.py                     # every family listed here
    python family_checkpoint.py mixtral gemma3      # some of them

Each lies in `../models/scalarlm-families/<family>`, for that family's exports with heads of 8: `checkpoint_10.pt` and
`logits.safetensors`, which holds `input_ids`, PyTorch's `logits` in float32 with what the checkpoint holds, and
`base_logits` without.

The trainer puts an adapter around every module whose name's last part holds `mlp` (a whole mixture, and GLM-4's
`post_mlp_layernorm`), and trains and saves the parameters whose names hold one of TRAINED, and the head's weight. A
tied weight has the embedding's name. Values are seeded and random; those of the base model are changed by a fifth.
"""

import argparse
import zlib

import torch
from adapter_oracle import random_leaves, scalarlm_adapter
from safetensors.torch import save_file
from scalarlm_checkpoint import HEADS, RANK, checkpoint

import family_models
from families import OUT
from family_check import tokens

TRAINED = ("tokenformer", "q_proj", "k_proj", "v_proj", "norm", "rotary_emb", "embed_tokens", "o_proj")
HEAD = "lm_head.weight"
STEP = 10
BFLOAT16, FLOAT32 = torch.bfloat16, torch.float32

# name: as what the trainer holds it
FAMILIES = {
    "mixtral": FLOAT32,
    "qwen2-moe": BFLOAT16,
    "qwen3-moe": BFLOAT16,
    "olmoe": BFLOAT16,
    "glm4-moe": BFLOAT16,
    "deepseek-v2": BFLOAT16,
    "deepseek-v3": BFLOAT16,
    "gpt-oss": BFLOAT16,
    "qwen3": FLOAT32,
    "olmo2": BFLOAT16,
    "gemma": BFLOAT16,
    "gemma2": BFLOAT16,
    "gemma3": BFLOAT16,
    "phi3": BFLOAT16,
    "glm4": BFLOAT16,
    "stablelm": BFLOAT16,
    "phi": BFLOAT16,
}


class Adapted(torch.nn.Module):
    """A module with an adapter beside it, under the names that ScalarLM's surgery gives."""

    def __init__(self, layer: torch.nn.Module, hidden: int):
        super().__init__()
        self.layer = layer
        self.tokenformer_k = torch.nn.Parameter(torch.zeros(HEADS, hidden))
        self.tokenformer_v = torch.nn.Parameter(torch.zeros(HEADS, hidden * RANK))
        self.tokenformer_p = torch.nn.Parameter(torch.zeros(RANK, hidden))

    def forward(self, x: torch.Tensor, *args, **kwargs):
        result = self.layer(x, *args, **kwargs)
        added = scalarlm_adapter(x, self.tokenformer_k, self.tokenformer_v, self.tokenformer_p)
        return (result[0] + added, *result[1:]) if isinstance(result, tuple) else result + added


def adapted(family: str) -> torch.nn.Module:
    """The family with adapters, which add 0."""
    model = family_models.build(family)
    for name, module in list(model.named_modules()):
        if "mlp" in name.split(".")[-1]:
            model.set_submodule(name, Adapted(module, model.config.hidden_size))
    return model


def trained(generator: torch.Generator, model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The parameters that the trainer trains, changed."""
    hidden, state = model.config.hidden_size, {}
    leaves = {}
    for name, parameter in model.named_parameters():
        module, _, leaf = name.rpartition(".")
        if leaf == "tokenformer_k":
            leaves = random_leaves(generator, hidden, HEADS, RANK, p_std=0.3)
        if leaf in leaves:
            state[name] = leaves[leaf]
        elif name == HEAD or any(part in name for part in TRAINED):
            noise = torch.randn(parameter.shape, generator=generator)
            state[name] = parameter.detach() * (1 + 0.2 * noise)
    return state


@torch.no_grad()
def logits_of(model: torch.nn.Module) -> torch.Tensor:
    """The logits of the tokens that every check uses."""
    return model(input_ids=tokens()).logits


def main() -> None:
    """Make the checkpoints asked for, and record their logits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family", nargs="*", help="default: all")
    asked = parser.parse_args().family
    torch.set_num_threads(1)
    for family, dtype in FAMILIES.items():
        if asked and family not in asked:
            continue
        folder = OUT / "scalarlm-families" / family
        folder.mkdir(parents=True, exist_ok=True)
        generator = torch.Generator().manual_seed(zlib.crc32(family.encode()))
        model = adapted(family)
        base = logits_of(model)
        state = {name: t.to(dtype) for name, t in trained(generator, model).items()}
        saved = checkpoint(generator, state, STEP)
        torch.save(saved, folder / f"checkpoint_{STEP}.pt")
        state = torch.load(folder / f"checkpoint_{STEP}.pt", weights_only=True)["model_state_dict"]
        unexpected = model.load_state_dict(state, strict=False).unexpected_keys
        assert not unexpected, unexpected
        logits = logits_of(model)
        assert torch.isfinite(logits).all()
        path = folder / "logits.safetensors"
        save_file({"input_ids": tokens(), "logits": logits, "base_logits": base}, path)
        path.chmod(0o644)
        change = (logits - base).abs().max().item()
        adapters = sum(name.endswith("tokenformer_p") for name in state)
        print(f"{family}: {len(state)} tensors, {adapters} adapters, logits change by up to {change:.1f}")


if __name__ == "__main__":
    main()
