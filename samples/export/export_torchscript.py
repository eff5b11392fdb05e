"""Export a saved model through the TorchScript exporter, as `optimum-cli export onnx` does.

    python export_torchscript.py ../models/austen-llama ../models/austen-llama/torchscript
    python export_torchscript.py --dtype fp16 ../models/austen-llama ../../out/half

Needs the packages of `requirements-optimum.txt`: optimum 2 wants transformers 4.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from optimum.exporters.onnx import main_export


def main() -> None:
    """Export the model folder given first; keep only the graph, in the folder given second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--dtype", choices=["fp32", "fp16", "bf16"], default="fp32")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        main_export(str(options.model), output=folder, task="text-generation-with-past", dtype=options.dtype)
        shutil.copyfile(Path(folder) / "model.onnx", options.out / "model.onnx")


if __name__ == "__main__":
    main()
