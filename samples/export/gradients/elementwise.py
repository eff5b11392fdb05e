"""Elementwise ops, with broadcasting."""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .case import Case, Input, Numbers, given, op

ABOUT = "Gradients of elementwise ops by torch.autograd in float64; see samples/export/gradient_oracle.py."
N = Numbers("elementwise")
MS = "com.microsoft."

# Shapes of two operands: the same, fewer axes on either side, sizes of one on both, numbers, sizes of zero.
SHAPES = (
    ((2, 3), (2, 3)),
    ((2, 2, 2), (2,)),
    ((3,), (2, 1)),
    ((), (2, 2)),
    ((2, 1, 2), (3, 1)),
    ((2,), (1, 1, 1)),
    ((0, 2), (2,)),
    ((1, 2), (0, 1)),
)
BINARY = {
    "Add": (torch.add, N.floats, N.floats),
    "Sub": (torch.sub, N.floats, N.floats),
    "Mul": (torch.mul, N.floats, N.floats),
    "Div": (torch.div, N.floats, N.positive),
    "Pow": (torch.pow, N.positive, N.floats),
}


def hard_swish(x: Tensor) -> Tensor:
    return x * (x / 6 + 0.5).clamp(0, 1)


def fast_gelu(x: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.gelu(x if bias is None else x + bias, approximate="tanh")


UNARY = {
    "Neg": ("", torch.neg),
    "Abs": ("", torch.abs),
    "Exp": ("", torch.exp),
    "Sigmoid": ("", torch.sigmoid),
    "Tanh": ("", torch.tanh),
    "Erf": ("", torch.erf),
    "Sin": ("", torch.sin),
    "Cos": ("", torch.cos),
    "Relu": ("", torch.relu),
    "Softplus": ("", F.softplus),
    "Softsign": ("", F.softsign),
    "HardSwish": ("", hard_swish),
    "Mish": ("", F.mish),
    "Identity": ("", lambda x: x * 1),
    "Floor": ("", torch.floor),
    "Sign": ("", torch.sign),
    "LeakyRelu": ("alpha = 0.2", lambda x: F.leaky_relu(x, 0.2)),
    "Elu": ("alpha = 1.5", lambda x: F.elu(x, 1.5)),
    "HardSigmoid": ("alpha = 0.25, beta = 0.5", lambda x: (0.25 * x + 0.5).clamp(0, 1)),
    f"{MS}Gelu": ("", F.gelu),
    f"{MS}FastGelu": ("", fast_gelu),
    f"{MS}QuickGelu": ("alpha = 1.702", lambda x: x * torch.sigmoid(1.702 * x)),
}
POSITIVE = {"Log": torch.log, "Sqrt": torch.sqrt, "Reciprocal": torch.reciprocal}


def short(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "number"


def binary() -> Iterator[Case]:
    for name, (compute, left, right) in BINARY.items():
        for a, b in SHAPES:
            yield Case(f"{name} {short(a)} {short(b)}", op(name, 2), [left(*a), right(*b)], compute)
    for name, compute in (("Max", torch.maximum), ("Min", torch.minimum)):
        for a, b in (SHAPES[1], SHAPES[2], SHAPES[6]):
            yield Case(f"{name} {short(a)} {short(b)}", op(name, 2), [N.floats(*a), N.floats(*b)], compute)
    three = [N.floats(2, 2), N.floats(2), N.floats(2, 1)]
    yield Case("Max of three", op("Max", 3), three, lambda a, b, c: torch.maximum(torch.maximum(a, b), c))
    yield Case("Sum of three", op("Sum", 3), three, lambda a, b, c: a + b + c)
    yield Case("Mean of three", op("Mean", 3), three, lambda a, b, c: (a + b + c) / 3)
    yield Case("Max of one", op("Max", 1), [N.floats(3)], lambda a: a * 1)
    one_operand = "o0 = {}(i0, i0)"
    yield Case("Mul of one value twice", one_operand.format("Mul "), [N.floats(3)], lambda a: a * a)
    yield Case("Div of one value twice", one_operand.format("Div "), [N.positive(3)], lambda a: a / a)
    yield Case("Pow of whole exponent", op("Pow", 2), [N.floats(4), given(3, "int64")], lambda a, b: a**b)
    square = [given([-1.5, 0, 2.0]), given(2.0, constant=True)]
    yield Case("Pow of negative and zero", op("Pow", 2), square, lambda a, b: a ** b.detach())
    yield Case("Mod fmod", op("Mod", 2, "fmod = 1"), [N.floats(4), N.positive(4)], torch.fmod)
    yield Case("PRelu", op("PRelu", 2), [N.floats(2, 3), N.positive(3)], lambda x, s: torch.where(x < 0, s * x, x))


def unary() -> Iterator[Case]:
    for name, (attributes, compute) in UNARY.items():
        yield Case(name, op(name, 1, attributes), [N.floats(2, 3)], compute)
    for name, compute in POSITIVE.items():
        yield Case(name, op(name, 1), [N.positive(2, 3)], compute)
    yield Case("Relu at zero", op("Relu", 1), [given([-1.0, 0.0, 1.0])], torch.relu, smooth=False)
    yield Case("Abs at zero", op("Abs", 1), [given([-1.0, 0.0, 1.0])], torch.abs, smooth=False)
    yield Case("Sigmoid far out", op("Sigmoid", 1), [given([-90.0, -20.0, 20.0, 90.0])], torch.sigmoid)
    yield Case("Softplus far out", op("Softplus", 1), [given([-60.0, 12.0, 60.0])], lambda x: F.softplus(x, threshold=80))
    yield Case("Tanh of nothing", op("Tanh", 1), [N.floats(0, 3)], torch.tanh)
    yield Case("Gelu", op("Gelu", 1), [N.floats(5)], F.gelu)
    tanh = 'approximate = "tanh"'
    yield Case("Gelu tanh", op("Gelu", 1, tanh), [N.floats(5)], lambda x: F.gelu(x, approximate="tanh"))
    yield Case("Swish", op("Swish", 1, "alpha = 1.5"), [N.floats(5)], lambda x: x * torch.sigmoid(1.5 * x), opset=24)
    bias = [N.floats(2, 3), N.floats(3)]
    yield Case("BiasGelu", op(f"{MS}BiasGelu", 2), bias, lambda x, b: F.gelu(x + b))
    yield Case("FastGelu with bias", op(f"{MS}FastGelu", 2), bias, fast_gelu)


def choosing() -> Iterator[Case]:
    x = [given([-2.0, -0.5, 0.25, 0.5, 3.0]), given(-0.5, constant=True), given(0.5, constant=True)]
    inside = lambda x, a, b: torch.clamp(x, a.item(), b.item())  # noqa: E731
    yield Case("Clip", op("Clip", 3), x, inside, smooth=False)
    yield Case("Clip below", op("Clip", 2), x[:2], lambda x, a: torch.clamp(x, min=a.item()), smooth=False)
    above = lambda x, _a, b: torch.clamp(x, max=b.item())  # noqa: E731
    yield Case("Clip above", op("Clip", 3, skipped=[1]), [x[0], None, x[2]], above, smooth=False)
    for c, a, b in (((2, 3), (2, 3), (3,)), ((2, 1), (3,), ()), ((3,), (2, 1), (2, 3)), ((0, 1), (3,), (1, 3))):
        chosen = Input(torch.randint(0, 2, c, generator=N.generator).bool(), "bool", constant=False)
        name = f"Where {short(c)} {short(a)} {short(b)}"
        yield Case(name, op("Where", 3), [chosen, N.floats(*a), N.floats(*b)], torch.where)
    floor = given(-math.inf, constant=True)
    masked = [Input(torch.tensor([[True, False], [True, True]]), "bool", constant=False), N.floats(2, 2), floor]
    exp = "o1 = Where (i0, i1, i2)\n  o0 = Exp (o1)"
    yield Case(
        "Where of a mask of infinity", exp, masked, lambda c, a, b: (torch.where(c, a, b).exp(), None), seeded=[0]
    )


def typed() -> Iterator[Case]:
    half = [N.floats(2, 3, dtype="float16"), N.floats(3, dtype="float16")]
    for name, compute in (("Add", torch.add), ("Mul", torch.mul)):
        yield Case(f"{name} in half", op(name, 2), half, compute)
    for name in ("Sigmoid", "Tanh", "Exp", f"{MS}Gelu"):
        yield Case(f"{name} in half", op(name, 1), [N.floats(4, dtype="float16")], UNARY[name][1])
    double = [N.floats(2, 3, dtype="double"), N.positive(3, dtype="double")]
    yield Case("Div in double", op("Div", 2), double, torch.div)
    yield Case("Cast to half", op("Cast", 1, "to = 10"), [N.floats(4)], lambda x: x * 1, result="float16")
    yield Case("Cast to float", op("Cast", 1, "to = 1"), [N.floats(4, dtype="float16")], lambda x: x * 1, result="float")
    through = "c = Cast <to = 7> (i0)\n  d = Cast <to = 1> (c)\n  o0 = Add (d, i0)"
    yield Case("Cast through whole numbers", through, [N.floats(4)], lambda x: x.trunc().detach() + x, smooth=False)
    like = [N.floats(4), N.floats(2, dtype="float16")]
    yield Case("CastLike", op("CastLike", 2), like, lambda x, _: x * 1, result="float16")


def later() -> Iterator[Case]:
    yield Case("Celu", op("Celu", 1, "alpha = 1.5"), [N.floats(2, 3)], lambda x: F.celu(x, 1.5))
    yield Case("Celu by default", op("Celu", 1), [N.floats(5)], F.celu)
    yield Case("Round", op("Round", 1), [N.floats(2, 3)], torch.round)
    straight = "r = Round (i0)\n  o0 = Mul (r, i0)"
    yield Case("Round of a factor", straight, [N.floats(4)], lambda x: x.round() * x, smooth=False)


def cases() -> Iterator[Case]:
    yield from binary()
    yield from unary()
    yield from choosing()
    yield from typed()
    yield from later()
