"""Make the checkpoints that the tests read, and check checkpoints that tfc wrote.

    python torch_fixtures.py ../../test/weights/torch/files
    python torch_fixtures.py --check written.pt --like ../../test/weights/torch/files/checkpoint_12.pt

The first writes one `.pt` for each fixture with `torch.save`, `scripted.pt` with
`torch.jit.save`, archives of other writers (`deflated.pt`, `zip64.pt`), and
`expected.safetensors`: every tensor of them, made contiguous, under the name
`{file}:{path}`. A second run gives the same bytes, but for `old.pt`, whose format
names storages by their addresses.

The second loads a checkpoint with `torch.load(weights_only=True)` and compares it
with another one: tensors by type, shape and bits, dicts by type and order of keys.
Of the rest tfc keeps less than Python knows, so that a tuple equals a list, and
1.0 equals 1.
"""

import argparse
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

DTYPES = [
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    *(torch.uint16, torch.uint32, torch.uint64),
    *(torch.float8_e4m3fn, torch.float8_e4m3fnuz, torch.float8_e5m2, torch.float8_e5m2fnuz),
    torch.float8_e8m0fnu,
]


def dtypes() -> dict[str, torch.Tensor]:
    """A matrix of each type; of integers with the smallest and the largest."""
    tensors = {}
    for dtype in DTYPES:
        name = str(dtype).removeprefix("torch.")
        if dtype.is_floating_point:
            tensors[name] = torch.tensor([[0.0, 1, 2], [0.5, 4, 16]]).to(dtype)
        elif dtype == torch.bool:
            tensors[name] = torch.tensor([[True, False, False], [False, True, True]])
        else:
            limits = torch.iinfo(dtype)
            tensors[name] = torch.tensor([[limits.min, 1, 2], [3, 100, limits.max]], dtype=dtype)
    return tensors


def views() -> dict[str, torch.Tensor]:
    """Tensors whose elements do not lie one after another, and tensors that share theirs."""
    wide = torch.arange(24, dtype=torch.float32)
    cube = torch.arange(2 * 3 * 5, dtype=torch.float64).view(2, 3, 5)
    return {
        "whole": wide,
        "matrix": wide.view(4, 6),
        "transposed": wide.view(4, 6).t(),
        "rows": wide.view(4, 6)[1:3],
        "columns": wide.view(4, 6)[:, 2:5],
        "every_third": wide[1::3],
        "scalar": wide[7],
        "permuted": cube.permute(2, 0, 1),
        "permuted_half": cube.to(torch.float16).permute(1, 2, 0),
        "permuted_bytes": cube.to(torch.int8).transpose(0, 2),
        "permuted_words": torch.arange(6).to(torch.uint16).view(2, 3).t(),
        "column": torch.arange(4, dtype=torch.int64).view(4, 1).t(),
        "repeated": torch.tensor([1.0, 2.0]).expand(3, 2),
        "diagonal": cube[0, :, :3].diagonal(),
        "empty": torch.zeros(0, 3),
        "empty_view": wide.view(4, 6)[4:],
        "lone": torch.tensor(3, dtype=torch.int16),
    }


def module() -> OrderedDict[str, torch.Tensor]:
    """A module's state dict, with its parameters as such and a buffer of one number."""
    torch.manual_seed(1)
    layers = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2, bias=False))
    layers[2].weight.requires_grad_(False)
    layers[0].weight.note = "a parameter with an attribute of its own"
    return layers.state_dict(keep_vars=True)


def checkpoint() -> dict[str, object]:
    """What ScalarLM saves, after one step of AdamW on two tiny adapters."""
    torch.manual_seed(2)
    hidden, heads, rank = 8, 2, 2
    leaves = OrderedDict()
    for layer in range(2):
        at = f"model.layers.{layer}.mlp"
        leaves[f"{at}.tokenformer_k"] = nn.Parameter(torch.randn(heads, hidden))
        leaves[f"{at}.tokenformer_v"] = nn.Parameter(torch.rand(heads, hidden * rank))
        leaves[f"{at}.tokenformer_p"] = nn.Parameter(torch.zeros(rank, hidden))
    optimizer = torch.optim.AdamW(leaves.values(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    sum(leaf.square().sum() + leaf.sum() for leaf in leaves.values()).backward()
    optimizer.step()
    scheduler.step()
    return {
        "model_state_dict": leaves,
        "optimizer_state_dict": optimizer.state_dict(),
        "scheduler_state_dict": scheduler.state_dict(),
        "step": 12,
        "epoch": 1,
        "metadata": {
            "loss": np.float64(2.5),
            "best_loss": np.float32(0.25),
            "tokens": np.int64(-(2**40)),
            "finished": np.bool_(False),
            "history": [{"step": 11, "loss": 3.0}, {"step": 12, "loss": 2.5}],
        },
    }


def values() -> dict[object, object]:
    """Every plain value, and what PyTorch adds to them."""
    shared = [1, 2]
    return {
        "none": None,
        "booleans": [True, False],
        "integers": [0, 255, 256, 65535, 65536, -1, -(2**31), 2**31, 2**53 - 1, -(2**53), 2**70, -(2**70)],
        "floats": [0.5, -0.0, 1e300, float("inf"), float("-inf")],
        "text": ["", "größe", "\U0001f600", "line\nbreak"],
        "bytes": [b"", b"\x00\x7f\x80\xff", bytearray(b"abc")],
        "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        "sets": [set(), {7}, frozenset([8])],
        "shared": [shared, shared],
        "size": torch.zeros(2, 3).shape,
        "dtype": torch.bfloat16,
        "devices": [torch.device("cpu"), torch.device("cuda", 1)],
        "numpy": [np.float16(0.5), np.uint8(200), np.int16(-300), np.uint64(2**64 - 1), np.int32(-7)],
        "ordered": OrderedDict([("b", 1), ("a", 2)]),
        "keys": {1: "one", (2, "x"): "tuple", None: "none", 2.5: "float"},
        "tensor": torch.tensor([1.0, 2.0]),
    }


def rezip(source: Path, target: Path, compression: int, zip64: bool) -> None:
    """Copy an archive as Python's zipfile writes it; with zip64 every record is said to be large."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for name in old.namelist():
            # A fixed date: the same bytes in every run.
            record = zipfile.ZipInfo(name)
            record.compress_type = compression
            with new.open(record, "w", force_zip64=zip64) as stream:
                stream.write(old.read(name))


def tensors_of(value: object, at: str = "") -> dict[str, torch.Tensor]:
    """Every tensor of a value by its path."""
    if isinstance(value, torch.Tensor):
        return {at: value.detach().contiguous().clone()}
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    found = {}
    for key, item in items:
        found |= tensors_of(item, f"{at}.{key}" if at else str(key))
    return found


def make(folder: Path) -> None:
    """Write every fixture."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "dtypes": dtypes(),
        "views": views(),
        "module": module(),
        "checkpoint_12": checkpoint(),
        "values": values(),
    }
    for name, value in made.items():
        torch.save(value, folder / f"{name}.pt")
    for protocol in (3, 4, 5):
        torch.save(made["values"], folder / f"values_{protocol}.pt", pickle_protocol=protocol)
    torch.save({"a": torch.ones(2)}, folder / "old.pt", _use_new_zipfile_serialization=False)
    torch.jit.save(torch.jit.script(nn.Identity()), folder / "scripted.pt")
    rezip(folder / "views.pt", folder / "deflated.pt", zipfile.ZIP_DEFLATED, zip64=False)
    rezip(folder / "views.pt", folder / "zip64.pt", zipfile.ZIP_STORED, zip64=True)
    expected = {f"{name}:{path}": t for name, value in made.items() for path, t in tensors_of(value).items()}
    save_file(expected, folder / "expected.safetensors")


def difference(found: object, wanted: object, at: str = "checkpoint") -> str | None:
    """Say where two checkpoints differ first, or None where they do not."""
    if isinstance(wanted, torch.Tensor):
        if not isinstance(found, torch.Tensor) or (found.dtype, found.shape) != (wanted.dtype, wanted.shape):
            return f"{at}: {found!r} instead of {wanted!r}"
        bits = [t.detach().contiguous().reshape(-1).view(torch.uint8) for t in (found, wanted)]
        return None if torch.equal(*bits) else f"{at}: other numbers"
    if isinstance(wanted, dict):
        if type(found) is not type(wanted) or list(found) != list(wanted):
            return f"{at}: {type(found).__name__} of {list(found)} instead of {type(wanted).__name__} of {list(wanted)}"
        pairs = [(key, found[key], wanted[key]) for key in wanted]
    elif isinstance(wanted, (list, tuple, set, frozenset)):
        if not isinstance(found, list) or len(found) != len(wanted):
            return f"{at}: {found!r} instead of {wanted!r}"
        pairs = [(i, *pair) for i, pair in enumerate(zip(found, wanted))]
    else:
        plain = str(wanted) if isinstance(wanted, (torch.dtype, torch.device)) else wanted
        # The first character tells -0.0 from 0 and True from 1, which are equal.
        return None if found == plain and str(found)[:1] == str(plain)[:1] else f"{at}: {found!r} instead of {wanted!r}"
    differences = (difference(a, b, f"{at}.{key}") for key, a, b in pairs)
    return next((text for text in differences if text is not None), None)


def check(file: Path, like: Path | None) -> None:
    """Load a checkpoint as data alone and compare it, if there is something to compare it with."""
    found = torch.load(file, weights_only=True)
    print(f"{file}: {len(tensors_of(found))} tensors")
    if like is None:
        return
    # The fixtures are this script's own, and hold numpy numbers, which weights_only refuses.
    text = difference(found, torch.load(like, weights_only=False))
    if text is not None:
        raise SystemExit(text)
    print(f"{file}: equal to {like}")


def main() -> None:
    """Make the fixtures in the folder given, or check a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--check", type=Path, metavar="FILE", help="a checkpoint to load")
    parser.add_argument("--like", type=Path, metavar="FILE", help="the one that it must equal")
    options = parser.parse_args()
    if options.check is not None:
        check(options.check, options.like)
    elif options.folder is not None:
        make(options.folder)
    else:
        parser.error("give a folder or --check")


if __name__ == "__main__":
    main()
