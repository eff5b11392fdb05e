"""Record what ScalarLM's adapter computes, as the reference for the function that tfc emits.

    python adapter_oracle.py ../models/adapters

Writes `scalarlm.safetensors`. Tensors are named `{case}.{x,tokenformer_k,tokenformer_v,tokenformer_p,y}`; y is
what the adapter adds to the output of the module whose input is x.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file

# name: (shape of x, heads, rank)
CASES = {
    "batch": ((2, 5, 64), 4, 8),
    "flat": ((7, 64), 4, 8),
    "one_head": ((1, 3, 64), 1, 8),
    "one_token": ((1, 1, 64), 4, 8),
    "zero_row": ((1, 4, 64), 4, 8),
    "smallest": ((2, 3, 6), 2, 1),
    "many_heads": ((1, 4, 48), 12, 5),
}


def scalarlm_adapter(x: torch.Tensor, k: torch.Tensor, v: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """The adapter written out as ScalarLM's surgeon has it, with the `[T, d, r]` tensor in full.

    k is `[slots, d]` with as many slots as heads, v `[slots, d * r]`, p `[r, d]`.
    """
    heads, d = k.shape
    slots, r, width = heads, p.shape[0], d // heads
    tokens = x.reshape(-1, d)
    q = tokens.view(-1, heads, width).transpose(0, 1)  # [H, T, h]
    k = k.view(slots, heads, width).transpose(0, 1)  # [H, slots, h]
    v = v.view(slots, heads, width * r).transpose(0, 1)  # [H, slots, h * r]
    weights = torch.softmax(q @ k.transpose(1, 2) / width**0.5, dim=-1)  # [H, T, slots]
    o = (weights @ v).transpose(0, 1).reshape(-1, d * r).view(-1, d, r)  # [T, d, r]
    y = (tokens.unsqueeze(1) @ o) @ p  # [T, 1, d]
    return y.view(x.shape)


def random_leaves(generator: torch.Generator, d: int, heads: int, rank: int, p_std: float) -> dict[str, torch.Tensor]:
    """Leaves distributed as ScalarLM begins them, but for p, which would make the adapter add 0."""

    def normal(shape: tuple[int, int], std: float) -> torch.Tensor:
        return torch.randn(shape, generator=generator) * std

    bound = 3 / d**0.5
    return {
        "tokenformer_k": normal((heads, d), 3 / (d / heads) ** 0.5),
        "tokenformer_v": (torch.rand((heads, d * rank), generator=generator) * 2 - 1) * bound,
        "tokenformer_p": normal((rank, d), p_std),
    }


def main() -> None:
    """Record every case in the folder given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(7)
    tensors = {}
    for name, (shape, heads, rank) in CASES.items():
        x = torch.randn(shape, generator=generator)
        if name == "zero_row":
            x[0, 1] = 0
        leaves = random_leaves(generator, shape[-1], heads, rank, p_std=0.3)
        y = scalarlm_adapter(x, *leaves.values())
        tensors |= {f"{name}.{part}": t for part, t in {"x": x, **leaves, "y": y}.items()}
    save_file({name: t.contiguous() for name, t in tensors.items()}, folder / "scalarlm.safetensors")


if __name__ == "__main__":
    main()
