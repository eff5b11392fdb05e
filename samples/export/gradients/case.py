"""Cases of gradients: a small graph, its inputs, and what torch.autograd gives in float64.

A case is a body in ONNX's textual syntax, with inputs `i0 i1 …` and results `o0 o1 …`, and a function that computes the
same in PyTorch. Floats are short decimals, rounded to the type of the input, so that both sides begin with the same
numbers; gradients are printed with seven digits.
"""

import json
import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

Function = Callable[..., torch.Tensor | Sequence[torch.Tensor | None]]
TORCH = {
    "float": torch.float32,
    "double": torch.float64,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "int64": torch.int64,
    "int32": torch.int32,
    "bool": torch.bool,
    "uint8": torch.uint8,
    "int8": torch.int8,
}
FLOATS = ("float", "double", "float16", "bfloat16")


@dataclass
class Input:
    """An input of a graph. Whole numbers are initializers, unless said otherwise."""

    values: torch.Tensor
    dtype: str = "float"
    constant: bool | None = None

    @property
    def differentiable(self) -> bool:
        return self.dtype in FLOATS

    def to_json(self) -> dict:
        fixed = (not self.differentiable) if self.constant is None else self.constant
        return {
            "dtype": self.dtype,
            "shape": list(self.values.shape),
            "values": printed(self.values),
        } | ({"constant": True} if fixed else {})


@dataclass
class Case:
    """A graph, and the PyTorch of it."""

    name: str
    body: str
    inputs: list[Input | None]
    compute: Function
    opset: int = 21
    # The results that gradients come in at; None: all.
    seeded: Sequence[int] | None = None
    # The type of the results, where it is not that of the first input.
    result: str | None = None
    # Whether finite differences mean something: not at a kink or a step.
    smooth: bool = True

    def record(self) -> dict:
        """The case as JSON: inputs, results, the gradients of the results, and those of the inputs."""
        given = [None if i is None else exact(i) for i in self.inputs]
        for tensor in given:
            if tensor is not None and tensor.is_floating_point():
                tensor.requires_grad_()
        results = self.compute(*given)
        results = [results] if isinstance(results, torch.Tensor) else list(results)
        seeds = [self.cotangent(i, r) for i, r in enumerate(results)]
        total = sum((r * s).sum() for r, s in zip(results, seeds) if s is not None)
        leaves = [t for t in given if t is not None and t.requires_grad]
        found = iter(torch.autograd.grad(total, leaves, allow_unused=True))
        gradients = [next(found) if t is not None and t.requires_grad else None for t in given]
        zeros = [
            torch.zeros_like(t) if g is None and t is not None and t.requires_grad else g
            for t, g in zip(given, gradients)
        ]
        for tensor in zeros:
            assert tensor is None or torch.isfinite(tensor).all(), self.name
        outputs = [
            None
            if r is None
            else {"shape": list(r.shape), "values": printed(r)} | ({} if s is None else {"cotangent": printed(s)})
            for r, s in zip(results, seeds)
        ]
        return {
            "name": self.name,
            "body": self.body,
            **({"opset": self.opset} if self.opset != 21 else {}),
            **({"result": self.result} if self.result else {}),
            **({} if self.smooth else {"smooth": False}),
            "inputs": [None if i is None else i.to_json() for i in self.inputs],
            "outputs": outputs,
            "gradients": [None if g is None else printed(g) for g in zeros],
        }

    def cotangent(self, index: int, result: torch.Tensor | None) -> torch.Tensor | None:
        """A gradient that comes in at a result, in tenths."""
        if result is None or not result.is_floating_point():
            return None
        if self.seeded is not None and index not in self.seeded:
            return None
        generator = torch.Generator().manual_seed(zlib.crc32(f"{self.name}/{index}".encode()))
        return torch.randint(-15, 16, result.shape, generator=generator).double() / 10


def exact(given: Input) -> torch.Tensor:
    """The numbers that the graph sees, in float64 or as whole numbers."""
    rounded = given.values.to(TORCH[given.dtype])
    return rounded.double() if given.differentiable else rounded.clone()


def printed(tensor: torch.Tensor) -> list:
    """Numbers in a flat list; infinities, and whole numbers beyond 2^53, as text."""

    def one(value: float) -> float | int | str:
        if isinstance(value, bool | int):
            return int(value) if abs(value) < 2**53 else str(value)
        if math.isinf(value):
            return "inf" if value > 0 else "-inf"
        if math.isnan(value):
            return "nan"
        short = float(f"{value:.7g}")
        return int(short) if short == int(short) and abs(short) < 1e6 else short

    return [one(v) for v in tensor.detach().reshape(-1).tolist()]


class Numbers:
    """Random inputs, the same each time: a stream for each family."""

    def __init__(self, family: str):
        self.generator = torch.Generator().manual_seed(zlib.crc32(family.encode()))

    def floats(self, *shape: int, low: float = -2, high: float = 2, dtype: str = "float") -> Input:
        """Hundredths in a range, none of them zero."""
        values = torch.randint(round(low * 100), round(high * 100) + 1, shape, generator=self.generator)
        return Input(torch.where(values == 0, 7, values).double() / 100, dtype)

    def apart(self, *shape: int, dtype: str = "float") -> Input:
        """Floats of which no two are equal or near."""
        count = math.prod(shape)
        values = torch.randperm(count, generator=self.generator).double()
        return Input(((values - count / 2 + 0.3) * 0.17).reshape(shape), dtype)

    def positive(self, *shape: int, dtype: str = "float") -> Input:
        return self.floats(*shape, low=0.3, high=2, dtype=dtype)


def given(values: list | float, dtype: str = "float", constant: bool | None = None) -> Input:
    """An input with these numbers."""
    return Input(torch.tensor(values, dtype=TORCH["double" if dtype in FLOATS else dtype]), dtype, constant)


def ints(*values: int) -> Input:
    return given(list(values), "int64")


def op(name: str, count: int, attributes: str = "", outputs: int = 1, skipped: Sequence[int] = ()) -> str:
    """The body of a single node, of `count` inputs without those that are `skipped`."""
    operands = ", ".join('""' if i in skipped else f"i{i}" for i in range(count))
    results = ", ".join(f"o{i}" for i in range(outputs))
    return f"{results} = {name}{f' <{attributes}>' if attributes else ''} ({operands})"


def text(about: str, cases: Sequence[Case]) -> str:
    """A family's file: a case in each line."""
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), [n for n in names if names.count(n) > 1]
    lines = ",\n".join(json.dumps(case.record(), separators=(",", ":")) for case in cases)
    return f'{{"about":{json.dumps(about)},"torch":{json.dumps(torch.__version__)},"cases":[\n{lines}\n]}}\n'
