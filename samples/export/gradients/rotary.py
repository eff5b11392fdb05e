"""Rotary embeddings, as ops and spelled out."""

from collections.abc import Iterator

import torch
from torch import Tensor

from .case import Case, Input, Numbers, given

ABOUT = "Gradients of rotary embeddings by torch.autograd in float64; see samples/export/gradient_oracle.py."
N = Numbers("rotary")


def rotated(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool, width: int) -> Tensor:
    """The first channels `[B, H, S, D]` turned by the angles `[B, S, width / 2]`; the others stay."""
    part, rest = x[..., :width], x[..., width:]
    cos, sin = cos[:, None], sin[:, None]
    if interleaved:
        a, b = part[..., 0::2], part[..., 1::2]
    else:
        a, b = part.chunk(2, -1)
    turned = (a * cos - b * sin, b * cos + a * sin)
    part = torch.stack(turned, -1).flatten(-2) if interleaved else torch.cat(turned, -1)
    return torch.cat([part, rest], -1)


def on_rows(x: Tensor, heads: int, turn) -> Tensor:
    """What turns `[B, H, S, D]`, of rows `[B, S, H * D]`."""
    split = x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)
    return turn(split).transpose(1, 2).reshape(x.shape)


def angles(positions: int, width: int) -> list[Input]:
    """Caches of cosines and sines."""
    return [frozen(positions, width // 2) for _ in range(2)]


def frozen(*shape: int) -> Input:
    """Cosines or sines: a constant."""
    return Input(N.floats(*shape, low=-1, high=1).values, constant=True)


def standard() -> Iterator[Case]:
    at = given([[0, 1, 2], [2, 0, 1]], "int64", constant=False)
    for interleaved in (0, 1):
        for width, rows in ((4, False), (4, True), (2, False), (2, True)):
            x = N.floats(2, 3, 8) if rows else N.floats(2, 2, 3, 4)
            said = f"interleaved = {interleaved}, rotary_embedding_dim = {0 if width == 4 else width}"
            said += ", num_heads = 2" if rows else ""
            body = f"o0 = RotaryEmbedding <{said}> (i0, i1, i2, i3)"

            def compute(x: Tensor, c: Tensor, s: Tensor, p: Tensor, i: int = interleaved, w: int = width):
                def turn(x: Tensor) -> Tensor:
                    return rotated(x, c[p], s[p], bool(i), w)

                return turn(x) if x.dim() == 4 else on_rows(x, 2, turn)

            name = f"RotaryEmbedding{' interleaved' if interleaved else ''}{' partial' if width == 2 else ''}"
            name += " of rows" if rows else ""
            yield Case(name, body, [x, *angles(3, width), at], compute, opset=23)
    whole = [N.floats(2, 2, 3, 4), frozen(2, 3, 2), frozen(2, 3, 2)]
    body = "o0 = RotaryEmbedding (i0, i1, i2)"
    yield Case("RotaryEmbedding without positions", body, whole, lambda x, c, s: rotated(x, c, s, False, 4), opset=23)


def contributed() -> Iterator[Case]:
    at = given([[0, 1, 2], [2, 0, 1]], "int64", constant=False)
    first = given([1], "int64", constant=False)
    for interleaved in (0, 1):
        for positions, said in ((at, "by positions"), (first, "from a position")):
            x = N.floats(2, 3, 8)
            attributes = f"interleaved = {interleaved}, num_heads = 2, rotary_embedding_dim = 4"
            body = f"o0 = com.microsoft.RotaryEmbedding <{attributes}> (i0, i1, i2, i3)"

            def compute(x: Tensor, p: Tensor, c: Tensor, s: Tensor, i: int = interleaved):
                p = p if p.dim() == 2 else (p + torch.arange(3)).expand(2, 3)
                return on_rows(x, 2, lambda x: rotated(x, c[p], s[p], bool(i), 4))

            name = f"com.microsoft RotaryEmbedding{' interleaved' if interleaved else ''} {said}"
            yield Case(name, body, [x, positions, *angles(4, 4)], compute)
    heads = [N.floats(2, 2, 3, 4), at, *angles(4, 4)]
    body = "o0 = com.microsoft.RotaryEmbedding (i0, i1, i2, i3)"
    compute = lambda x, p, c, s: rotated(x, c[p], s[p], False, 4)  # noqa: E731
    yield Case("com.microsoft RotaryEmbedding of heads", body, heads, compute)


def spelled() -> Iterator[Case]:
    """As transformers writes it: x cos + rotate_half(x) sin."""
    body = "\n  ".join(
        (
            "z = Constant <value_ints = [0]> ()",
            "h = Constant <value_ints = [2]> ()",
            "e = Constant <value_ints = [9223372036854775807]> ()",
            "l = Constant <value_ints = [-1]> ()",
            "a = Slice (i0, z, h, l)",
            "b = Slice (i0, h, e, l)",
            "n = Neg (b)",
            "r = Concat <axis = -1> (n, a)",
            "f = Unsqueeze (i1, o)",
            "g = Unsqueeze (i2, o)",
            "p = Mul (i0, f)",
            "q = Mul (r, g)",
            "o0 = Add (p, q)",
        )
    ).replace("f = Unsqueeze", "o = Constant <value_ints = [1]> ()\n  f = Unsqueeze", 1)

    def compute(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        half = torch.cat([-x[..., 2:], x[..., :2]], -1)
        return x * cos[:, None] + half * sin[:, None]

    inputs = [N.floats(2, 2, 3, 4), N.floats(2, 3, 4, low=-1, high=1), N.floats(2, 3, 4, low=-1, high=1)]
    yield Case("Rotary embedding spelled out", body, inputs, compute)


def cases() -> Iterator[Case]:
    yield from standard()
    yield from contributed()
    yield from spelled()
