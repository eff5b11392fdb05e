"""Export every family with every exporter that this virtual environment has.

    python families.py dynamo                      # all exports of one exporter
    python families.py torchscript llama2 mistral  # some families only

Each export lies in `../models/families/<family>-<exporter>/model.onnx`, or in `new-families`.
"""

import argparse
import sys
import traceback
from pathlib import Path

import torch

import family_exporters
from family_exports import EXPORTS

OUT = Path(__file__).resolve().parent.parent / "models"


def main() -> int:
    """Make the exports asked for; say which failed, and why."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("exporter", choices=sorted({e.exporter for e in EXPORTS}))
    parser.add_argument("family", nargs="*", help="default: all")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    failed = []
    for export in EXPORTS:
        if export.exporter != options.exporter:
            continue
        if options.family and export.family not in options.family:
            continue
        path = options.out / export.folder / export.name / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            getattr(family_exporters, export.exporter)(export.family, path, **export.options)
        except Exception:
            traceback.print_exc()
            failed.append(export.name)
            continue
        print(f"{export.name}: {path.stat().st_size / 1000:.0f} kB", flush=True)
    if failed:
        print("failed:", *failed, file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
