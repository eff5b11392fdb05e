"""Write `.onnx_adapter` files with onnxruntime, for the tests of the reader; or read one with onnxruntime.

    python onnx_adapter_fixtures.py ../../test/weights/onnx-adapter/files
    python onnx_adapter_fixtures.py --check adapter.onnx_adapter

Writes `tensors.onnx_adapter`, and in `tensors.safetensors` the same tensors; `scalars.onnx_adapter`, which
onnxruntime 1.32 writes but refuses to read; and `empty.onnx_adapter`, which has no parameters.
"""

import argparse
import ctypes
import math
from pathlib import Path

import numpy as np
from onnxruntime import AdapterFormat, OrtValue
from safetensors.numpy import save_file

ADAPTER_VERSION, MODEL_VERSION = 3, 7


def tensors() -> dict[str, np.ndarray]:
    """Tensors of each rank above 0 and of some types, with names as exporters give them."""
    generator = np.random.default_rng(1)
    return {
        "model.layers.0.mlp.lora_A.weight": generator.normal(size=(2, 8)).astype(np.float32),
        "model.layers.0.mlp.lora_B.weight": generator.normal(size=(8, 2)).astype(np.float16),
        "model.layers.1.self_attn.tokenformer_p": generator.normal(size=(2, 3, 5)).astype(np.float32),
        "ranks": np.array([8, -16, 2**40], np.int64),
        "empty": np.zeros((0, 3), np.float32),
        "größe": np.array([255], np.uint8),
    }


def scalars() -> dict[str, np.ndarray]:
    """Tensors of rank 0, and a boolean."""
    return {
        "alpha": np.array(0.5, np.float32),
        "rank": np.array(-3, np.int64),
        "rslora": np.array([True, False]),
    }


def write(path: Path, parameters: dict[str, np.ndarray]) -> None:
    """Write an adapter with onnxruntime."""
    adapter = AdapterFormat()
    adapter.set_adapter_version(ADAPTER_VERSION)
    adapter.set_model_version(MODEL_VERSION)
    adapter.set_parameters({name: OrtValue.ortvalue_from_numpy(array) for name, array in parameters.items()})
    adapter.export_adapter(str(path))


def total(value: OrtValue) -> str:
    """The sum of the elements; of bfloat16, which NumPy does not have, too."""
    if value.data_type().startswith("tensor(float8"):
        return "unknown"
    if value.data_type() == "tensor(bfloat16)":
        words = (ctypes.c_uint16 * math.prod(value.shape())).from_address(value.data_ptr())
        array = (np.frombuffer(words, np.uint16).astype(np.uint32) << 16).view(np.float32)
    else:
        array = value.numpy()
    return f"{array.sum(dtype=np.float64):.6g}"


def check(path: Path) -> None:
    """Print what onnxruntime finds in an adapter."""
    adapter = AdapterFormat.read_adapter(str(path))
    print(f"{path}: adapter version {adapter.get_adapter_version()}, model version {adapter.get_model_version()}")
    for name, value in sorted(adapter.get_parameters().items()):
        print(f"  {name}: {value.data_type()} {list(value.shape())}, sum {total(value)}")


def main() -> None:
    """Write the fixtures, or check a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="where the fixtures go")
    parser.add_argument("--check", type=Path, metavar="FILE", help="print what onnxruntime reads from FILE")
    options = parser.parse_args()
    if options.check is not None:
        check(options.check)
    elif options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
        write(options.folder / "tensors.onnx_adapter", tensors())
        save_file(tensors(), options.folder / "tensors.safetensors")
        write(options.folder / "scalars.onnx_adapter", scalars())
        write(options.folder / "empty.onnx_adapter", {})
        check(options.folder / "tensors.onnx_adapter")
    else:
        parser.error("give a folder, or --check FILE")


if __name__ == "__main__":
    main()
