"""Products with quantized weights: what the numbers stand for; where activations are rounded, gradients go straight through."""

from collections.abc import Iterator

import torch
from torch import Tensor

from .case import Case, Input, Numbers, given, op

ABOUT = "Gradients of quantized products by torch.autograd in float64; see samples/export/gradient_oracle.py."
N = Numbers("quantized")


def bytes_of(*shape: int, below: int = 256, dtype: str = "uint8") -> Input:
    low = 0 if dtype == "uint8" else -128
    return Input(torch.randint(low, low + below, shape, generator=N.generator), dtype, constant=True)


def scales(*shape: int, dtype: str = "float") -> Input:
    return Input(N.floats(*shape, low=0.01, high=0.2).values, dtype, constant=True)


def unpacked(packed: Tensor, bits: int) -> Tensor:
    """The numbers of bytes; of two in one the low half comes first."""
    packed = packed.long()
    return packed if bits == 8 else torch.stack([packed & 15, packed >> 4], -1).flatten(-2)


def nbits() -> Iterator[Case]:
    forms = (
        ("four bits", (2, 3, 32), 2, 4, 16, False, "float"),
        ("four bits with zero points", (3, 32), 3, 4, 16, True, "float"),
        ("an odd number of inputs", (2, 20), 2, 4, 16, True, "float"),
        ("eight bits", (2, 32), 2, 8, 32, True, "float"),
        ("no rows", (0, 32), 2, 4, 32, False, "float"),
        ("half precision", (2, 32), 2, 4, 32, False, "float16"),
    )
    for name, shape, n, bits, block, points, dtype in forms:
        k = shape[-1]
        blocks = -(-k // block)
        inputs = [N.floats(*shape, dtype=dtype), bytes_of(n, blocks, block * bits // 8), scales(n * blocks, dtype=dtype)]
        if points:
            inputs.append(bytes_of(n * -(-blocks * bits // 8)))

        def compute(
            x: Tensor, packed: Tensor, scale: Tensor, zero: Tensor | None = None,
            n: int = n, k: int = k, bits: int = bits, blocks: int = blocks,
        ) -> Tensor:
            numbers = unpacked(packed, bits).reshape(n, blocks, -1).double()
            middle = torch.full((n, blocks), 2.0 ** (bits - 1), dtype=torch.float64)
            if zero is not None:
                middle = unpacked(zero.reshape(n, -1), bits).reshape(n, -1)[:, :blocks].double()
            weight = ((numbers - middle[..., None]) * scale.detach().reshape(n, blocks, 1)).reshape(n, -1)[:, :k]
            return x @ weight.T

        said = f"K = {k}, N = {n}, bits = {bits}, block_size = {block}"
        body = op("com.microsoft.MatMulNBits", len(inputs), said)
        yield Case(f"MatMulNBits of {name}", body, inputs, compute)


def dequantized() -> Iterator[Case]:
    def weight(numbers: Tensor, scale: Tensor, zero: Tensor | None, axis: int | None) -> Tensor:
        shape = [1, 1]
        if axis is not None and scale.dim():
            shape[axis] = -1
        scale, zero = scale.detach().reshape(shape), 0 if zero is None else zero.reshape(shape)
        return (numbers.double() - zero) * scale

    for name, axis, size, dtype in (("a tensor", None, (), "uint8"), ("columns", 1, (3,), "int8"), ("rows", 0, (4,), "uint8")):
        inputs = [N.floats(2, 4), bytes_of(4, 3, dtype=dtype), scales(*size), bytes_of(*size, below=200, dtype=dtype)]
        attributes = "" if axis is None else f" <axis = {axis}>"
        body = f"w = DequantizeLinear{attributes} (i1, i2, i3)\n  o0 = MatMul (i0, w)"
        yield Case(f"DequantizeLinear of {name}", body, inputs, lambda x, *w, a=axis: x @ weight(*w, a))
    blocked = [N.floats(2, 4), bytes_of(4, 3, dtype="int8"), scales(2, 3)]
    body = "w = DequantizeLinear <axis = 0, block_size = 2> (i1, i2)\n  o0 = MatMul (i0, w)"
    wide = lambda x, w, s: x @ (w.double() * s.detach().repeat_interleave(2, 0))  # noqa: E731
    yield Case("DequantizeLinear of blocks", body, blocked, wide)


def straight_through() -> Iterator[Case]:
    def rounded(x: Tensor, scale: float, zero: int, low: int, high: int) -> Tensor:
        y = (torch.clamp(torch.round(x / scale) + zero, low, high) - zero) * scale
        return x + (y - x).detach()

    scale, zero = given(0.05, constant=True), given(3, "int8", constant=True)
    body = "q = QuantizeLinear (i0, i1, i2)\n  o0 = DequantizeLinear (q, i1, i2)"
    inputs = [N.floats(3, 4), scale, zero]
    yield Case("QuantizeLinear and back", body, inputs, lambda x, s, z: rounded(x, s.item(), 3, -128, 127), smooth=False)

    def by_range(x: Tensor) -> tuple[Tensor, Tensor]:
        """What DynamicQuantizeLinear rounds to, all in float32 as it is there."""
        f = x.detach().float()
        low, high = torch.clamp(f.min(), max=0), torch.clamp(f.max(), min=0)
        step = (high - low) / 255
        middle = torch.clamp(torch.round(-low / step), 0, 255)
        numbers = torch.clamp(torch.round(f / step) + middle, 0, 255)
        y = ((numbers - middle) * step).double()
        return x + (y - x).detach()

    body = "\n  ".join(
        (
            "q, s, z = DynamicQuantizeLinear (i0)",
            "n = MatMulInteger (q, i1, z, i3)",
            "f = Cast <to = 1> (n)",
            "t = Mul (s, i2)",
            "o0 = Mul (f, t)",
        )
    )
    inputs = [N.floats(3, 4), bytes_of(4, 3), scales(), given(120, "uint8", constant=True)]
    integers = lambda x, w, s, z: by_range(x) @ ((w.double() - z) * s.detach())  # noqa: E731
    yield Case("MatMulInteger of rounded rows", body, inputs, integers, smooth=False)
    inputs = [N.floats(2, 3, 4), bytes_of(4, 3, dtype="int8"), scales(3), given([0, 0, 0], "int8", constant=True)]
    yield Case("MatMulInteger with a scale for each column", body, inputs, integers, smooth=False)


def cases() -> Iterator[Case]:
    yield from nbits()
    yield from dequantized()
    yield from straight_through()
