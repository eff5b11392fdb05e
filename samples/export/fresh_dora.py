"""Record the magnitudes that PEFT's DoRA begins with.

    python fresh_dora.py ../../test/models/adapted/peft/fresh-dora.safetensors

Of small families, of the models that `family_models` makes: `{family}.{module}.lora_magnitude_vector` for each
projection, as `get_peft_model` makes it before anything is trained.
"""

import argparse
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from peft_variants import ATTENTION, MLP, PACKED
from safetensors.torch import save_file

from family_adapters import model_of

FAMILIES = {"llama2": ATTENTION + MLP, "llama2-wide": ATTENTION + MLP, "llama-bias": ATTENTION + MLP, "phi3": PACKED}


def magnitudes(family: str, modules: list[str]) -> dict[str, torch.Tensor]:
    """Those of one family, by the names that PEFT saves."""
    config = LoraConfig(task_type="CAUSAL_LM", use_dora=True, target_modules=modules)
    model = get_peft_model(model_of(family), config)
    found = {n: p for n, p in model.named_parameters() if "lora_magnitude_vector" in n}
    return {
        f"{family}.{n.removeprefix('base_model.model.').split('.lora_')[0]}.lora_magnitude_vector": p.detach().clone()
        for n, p in found.items()
    }


def main() -> None:
    """Record all families in one file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {n: m for family, modules in FAMILIES.items() for n, m in magnitudes(family, modules).items()}
    save_file(found, options.out)
    options.out.chmod(0o644)


if __name__ == "__main__":
    main()
