"""Record what PEFT's LoRA adds to a linear layer, as the reference for the function that tfc emits.

    python lora_oracle.py ../models/adapters

Writes `lora.safetensors`. Tensors are named `{case}.{x,lora_A.weight,lora_B.weight,scaling,y}`. The base layer that
PEFT adapts has a weight of zeros, so that y, its output, is what the adapter adds.
"""

import argparse
import math
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

# name: (shape of x, width of y, rank, alpha, scaling by alpha / sqrt(rank))
CASES = {
    "batch": ((2, 5, 64), 64, 8, 16, False),
    "flat": ((7, 64), 64, 8, 16, False),
    "wide": ((2, 3, 64), 96, 4, 6, False),
    "narrow": ((2, 3, 96), 64, 4, 6, False),
    "rank_one": ((2, 3, 64), 64, 1, 2, False),
    "one_row": ((1, 1, 64), 64, 8, 16, False),
    "rslora": ((2, 3, 64), 64, 8, 16, True),
    "zero_row": ((1, 4, 64), 64, 8, 16, False),
}


def adapted(generator: torch.Generator, d_in: int, d_out: int, config: LoraConfig) -> torch.nn.Module:
    """PEFT's layer over a linear layer of zeros, with random factors."""
    base = torch.nn.Sequential(torch.nn.Linear(d_in, d_out, bias=False))
    torch.nn.init.zeros_(base[0].weight)
    layer = get_peft_model(base, config).eval().base_model.model[0]
    with torch.no_grad():
        for factors in (layer.lora_A, layer.lora_B):
            weight = factors["default"].weight
            weight.copy_(torch.randn(weight.shape, generator=generator) / math.sqrt(weight.shape[1]))
    return layer


@torch.no_grad()
def main() -> None:
    """Record every case in the folder given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(17)
    tensors = {}
    for name, (shape, d_out, rank, alpha, use_rslora) in CASES.items():
        x = torch.randn(shape, generator=generator)
        if name == "zero_row":
            x[0, 1] = 0
        config = LoraConfig(r=rank, lora_alpha=alpha, use_rslora=use_rslora, target_modules=["0"])
        layer = adapted(generator, shape[-1], d_out, config)
        parts = {
            "x": x,
            "lora_A.weight": layer.lora_A["default"].weight,
            "lora_B.weight": layer.lora_B["default"].weight,
            "scaling": torch.tensor(float(layer.scaling["default"])),
            "y": layer(x),
        }
        assert torch.isfinite(parts["y"]).all()
        print(f"{name}: y {list(parts['y'].shape)}, scaling {parts['scaling']:.4f}")
        tensors |= {f"{name}.{part}": t.detach().contiguous() for part, t in parts.items()}
    save_file(tensors, folder / "lora.safetensors")


if __name__ == "__main__":
    main()
