"""Record what PyTorch computes for each export of a new family, beside it.

    python family_reference.py                      # every export that is there
    python family_reference.py mixtral-dynamo       # some of them

Writes `reference.safetensors`: `input_ids` of two rows of eight tokens, none of them padding, and their `logits` in
float32. Logits of the last five after a past of the first three are the last five of these.
"""

import argparse

import torch
from safetensors.torch import save_file

import family_models
from families import OUT
from family_check import tokens
from family_exports import EXPORTS, NEW


@torch.no_grad()
def main() -> None:
    """Record the logits of the exports that are there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", nargs="*", help="default: all")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for export in EXPORTS:
        folder = OUT / export.folder / export.name
        if export.family not in NEW or options.export and export.name not in options.export:
            continue
        if not folder.exists():
            continue
        ids = tokens()
        model = family_models.build(export.family, wide_heads=export.wide_heads)
        logits = model(input_ids=ids).logits
        path = folder / "reference.safetensors"
        save_file({"input_ids": ids, "logits": logits}, path)
        path.chmod(0o644)


if __name__ == "__main__":
    main()
