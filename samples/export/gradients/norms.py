"""Softmax with masks, norms as single ops and spelled out."""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .case import Case, Input, Numbers, given, op

ABOUT = "Gradients of Softmax and norms by torch.autograd in float64; see samples/export/gradient_oracle.py."
N = Numbers("norms")
MS = "com.microsoft."
INF = math.inf


def rms(x: Tensor, weight: Tensor, axis: int = -1, epsilon: float = 1e-5) -> Tensor:
    axes = tuple(range(axis % x.dim(), x.dim()))
    return x * torch.rsqrt(x.square().mean(axes, keepdim=True) + epsilon) * weight


def layer(x: Tensor, weight: Tensor, bias: Tensor | None = None, axis: int = -1, epsilon: float = 1e-5) -> Tensor:
    axes = tuple(range(axis % x.dim(), x.dim()))
    centred = x - x.mean(axes, keepdim=True)
    y = centred * torch.rsqrt(centred.square().mean(axes, keepdim=True) + epsilon) * weight
    return y if bias is None else y + bias


def softmaxes() -> Iterator[Case]:
    for name, compute in (("Softmax", F.softmax), ("LogSoftmax", F.log_softmax)):
        for shape, axis in (((2, 3), -1), ((2, 3), 0), ((2, 2, 2), 1), ((1, 2, 2, 2), 3)):
            body = op(name, 1, f"axis = {axis}")
            case = f"{name} {axis} of {len(shape)}"
            yield Case(case, body, [N.floats(*shape)], lambda x, f=compute, a=axis: f(x, a))
        nothing = [N.floats(0, 3)]
        yield Case(f"{name} of no rows", op(name, 1, "axis = -1"), nothing, lambda x, f=compute: f(x, -1))
        half = [N.floats(2, 4, dtype="float16")]
        yield Case(f"{name} in half", op(name, 1, "axis = -1"), half, lambda x, f=compute: f(x, -1))
    masked = given([[0.5, -INF, 1.25], [-0.75, 0.5, -INF], [-INF, -INF, 2.0]])
    yield Case("Softmax of a mask", op("Softmax", 1, "axis = -1"), [masked], lambda x: F.softmax(x, -1))
    body = "o1 = Add (i0, i1)\n  o0 = Softmax <axis = -1> (o1)"
    mask = given([[0.0, -INF, -INF], [0.0, 0.0, -INF]])
    yield Case(
        "Softmax of scores and a mask",
        body,
        [N.floats(2, 2, 3), mask],
        lambda x, m: (F.softmax(x + m, -1), None),
        seeded=[0],
    )
    yield from whole_rows_masked()


def whole_rows_masked() -> Iterator[Case]:
    """Rows in which nothing is seen: exporters put zeros where Softmax gives NaN, and gradients are zeros there."""

    def compute(x: Tensor, m: Tensor) -> Tensor:
        seen = (m > -INF).any(-1, keepdim=True)
        return torch.where(seen, F.softmax(x + torch.where(seen, m, 0), -1), 0)

    mask = given([[0.0, -INF, 0.0], [-INF, -INF, -INF]])
    guarded = "s = Add (i0, i1)\n  p = Softmax <axis = -1> (s)\n  n = IsNaN (p)\n  z = Constant <value_float = 0.0> ()\n  o0 = Where (n, z, p)"
    yield Case("Softmax with a row that sees nothing", guarded, [N.floats(2, 2, 3), mask], compute)


def rms_norms() -> Iterator[Case]:
    x, w = N.floats(2, 4), N.positive(4)
    for axis, shape in ((-1, (4,)), (1, (2, 4)), (2, (4,))):
        inputs = [N.floats(2, 2, 4), N.positive(*shape)]
        body = op("RMSNormalization", 2, f"axis = {axis}, epsilon = 0.01")
        compute = lambda x, w, a=axis: rms(x, w, a, 0.01)  # noqa: E731
        yield Case(f"RMSNormalization {axis}", body, inputs, compute, opset=23)
    yield Case("RMSNormalization as it is", op("RMSNormalization", 2), [x, w], rms, opset=23)
    shared = [N.floats(2, 2, 4), N.positive(1)]
    yield Case("RMSNormalization with one factor", op("RMSNormalization", 2), shared, rms, opset=23)
    body = op("SimplifiedLayerNormalization", 2, "axis = -1, epsilon = 0.001, stash_type = 1")
    yield Case("SimplifiedLayerNormalization", body, [x, w], lambda x, w: rms(x, w, -1, 0.001))
    half = [N.floats(2, 4, dtype="float16"), N.positive(4, dtype="float16")]
    yield Case("SimplifiedLayerNormalization in half", body, half, lambda x, w: rms(x, w, -1, 0.001))
    nothing = [N.floats(0, 4), w]
    yield Case("SimplifiedLayerNormalization of no rows", body, nothing, lambda x, w: rms(x, w, -1, 0.001))
    zeros = [given([[0.0, 0.0, 0.0, 0.0], [0.5, -1.0, 2.0, 1.5]]), w]
    yield Case("SimplifiedLayerNormalization of zeros", body, zeros, lambda x, w: rms(x, w, -1, 0.001))
    yield from spelled(x, w)


def spelled(x: Input, w: Input) -> Iterator[Case]:
    head = "two = Constant <value_float = 2.0> ()\n  s = Pow (i0, two)\n  l = Constant <value_ints = [-1]> ()\n  m = ReduceMean <keepdims = 1> (s, l)\n  e = Constant <value_float = 0.00001> ()\n  a = Add (m, e)\n  r = Sqrt (a)\n  "
    tails = {
        "reciprocal": "q = Reciprocal (r)\n  n = Mul (i0, q)\n  o0 = Mul (i1, n)",
        "quotient": "n = Div (i0, r)\n  o0 = Mul (n, i1)",
        "one over": "one = Constant <value_float = 1.0> ()\n  q = Div (one, r)\n  n = Mul (i0, q)\n  o0 = Mul (i1, n)",
    }
    for name, tail in tails.items():
        yield Case(f"RMS norm spelled with {name}", head + tail, [x, w], rms, opset=18)
    power = head.replace("r = Sqrt (a)", "h = Constant <value_float = -0.5> ()\n  q = Pow (a, h)")
    yield Case("RMS norm spelled with a power", power + "n = Mul (i0, q)\n  o0 = Mul (n, i1)", [x, w], rms, opset=18)


def layer_norms() -> Iterator[Case]:
    w, b = N.positive(4), N.floats(4)
    for axis, shape in ((-1, (4,)), (1, (2, 4))):
        inputs = [N.floats(2, 2, 4), N.positive(*shape), N.floats(*shape)]
        body = op("LayerNormalization", 3, f"axis = {axis}, epsilon = 0.01")
        yield Case(f"LayerNormalization {axis}", body, inputs, lambda x, w, b, a=axis: layer(x, w, b, a, 0.01))
    yield Case("LayerNormalization without bias", op("LayerNormalization", 2), [N.floats(3, 4), w], layer)
    body = op("LayerNormalization", 3, outputs=3)

    def with_statistics(x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean = x.mean(-1, keepdim=True)
        inverse = torch.rsqrt((x - mean).square().mean(-1, keepdim=True) + 1e-5)
        return layer(x, w, b), mean.detach(), inverse.detach()

    inputs = [N.floats(2, 4), w, b]
    yield Case("LayerNormalization with statistics", body, inputs, with_statistics, seeded=[0])
    half = [N.floats(2, 4, dtype="float16"), N.positive(4, dtype="float16"), N.floats(4, dtype="float16")]
    yield Case("LayerNormalization in half", op("LayerNormalization", 3), half, layer)


def skipping() -> Iterator[Case]:
    """The sum of input and skip is a result as well, and is read."""
    for bias in (False, True):
        for read in (False, True):
            inputs = [N.floats(2, 2, 4), N.floats(2, 2, 4), N.positive(4), *([N.floats(4)] if bias else [])]
            said = f"{' with bias' if bias else ''}{', sum read' if read else ''}"
            results = "o0, \"\", \"\", o1" if read else "o0"
            operands = ", ".join(f"i{i}" for i in range(len(inputs)))
            body = f"{results} = {MS}SkipSimplifiedLayerNormalization <epsilon = 0.001> ({operands})"

            def simplified(x: Tensor, s: Tensor, w: Tensor, b: Tensor | None = None, read: bool = read):
                total = x + s if b is None else x + s + b
                y = rms(total, w, -1, 0.001)
                return (y, total) if read else y

            yield Case(f"SkipSimplifiedLayerNormalization{said}", body, inputs, simplified)
            inputs = [N.floats(2, 2, 4), N.floats(2, 2, 4), N.positive(4), N.floats(4), *inputs[3:]]
            operands = ", ".join(f"i{i}" for i in range(len(inputs)))
            body = f"{results} = {MS}SkipLayerNormalization <epsilon = 0.001> ({operands})"

            def full(x: Tensor, s: Tensor, w: Tensor, beta: Tensor, b: Tensor | None = None, read: bool = read):
                total = x + s if b is None else x + s + b
                y = layer(total, w, beta, -1, 0.001)
                return (y, total) if read else y

            yield Case(f"SkipLayerNormalization{said}", body, inputs, full)


def lengths() -> Iterator[Case]:
    body = "\n  ".join(
        (
            "s = Mul (i0, i0)",
            "m = ReduceSum (s, i1)",
            "l = Sqrt (m)",
            "g = Max (l, i2)",
            "o0 = Div (i0, g)",
        )
    )
    short = [given([[0.0, 0.0, 0.0], [0.25, 0.0, -0.25], [1.5, -0.5, 2.0]]), given([-1], "int64"), given(0.5, constant=True)]
    guarded = lambda x, *_: x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp(min=0.5)  # noqa: E731
    yield Case("Rows divided by their guarded lengths", body, short, guarded)


def of_length() -> Iterator[Case]:
    for p in (1, 2):
        for axis in (-1, 0):
            body = op("LpNormalization", 1, f"axis = {axis}, p = {p}")
            yield Case(f"LpNormalization {p} {axis}", body, [N.floats(2, 3)], lambda x, p=p, a=axis: F.normalize(x, p, a))
    yield Case("LpNormalization by default", op("LpNormalization", 1), [N.floats(2, 1, 4)], lambda x: F.normalize(x, 2, -1))
    yield Case("LpNormalization of no rows", op("LpNormalization", 1), [N.floats(0, 3)], lambda x: F.normalize(x, 2, -1))


def cases() -> Iterator[Case]:
    yield from softmaxes()
    yield from rms_norms()
    yield from layer_norms()
    yield from skipping()
    yield from lengths()
    yield from of_length()
