"""Reductions, with axes as inputs."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from .case import Case, Numbers, given, ints, op

ABOUT = "Gradients of reductions by torch.autograd in float64; see samples/export/gradient_oracle.py."
N = Numbers("reductions")
Axes = tuple[int, ...]


def product(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    for axis in sorted((a % x.dim() for a in axes), reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


# name: what it computes, and what it takes.
REDUCTIONS: dict[str, tuple[Callable[[Tensor, Axes, bool], Tensor], Callable]] = {
    "ReduceSum": (lambda x, a, k: x.sum(a, keepdim=k), N.floats),
    "ReduceMean": (lambda x, a, k: x.mean(a, keepdim=k), N.floats),
    "ReduceMax": (lambda x, a, k: x.amax(a, keepdim=k), N.apart),
    "ReduceMin": (lambda x, a, k: x.amin(a, keepdim=k), N.apart),
    "ReduceProd": (product, N.floats),
    "ReduceL1": (lambda x, a, k: x.abs().sum(a, keepdim=k), N.floats),
    "ReduceL2": (lambda x, a, k: x.square().sum(a, keepdim=k).sqrt(), N.floats),
    "ReduceLogSum": (lambda x, a, k: x.sum(a, keepdim=k).log(), N.positive),
    "ReduceLogSumExp": (lambda x, a, k: x.logsumexp(a, keepdim=k), N.floats),
    "ReduceSumSquare": (lambda x, a, k: x.square().sum(a, keepdim=k), N.floats),
}
# The shape, the axes, and whether they stay.
FORMS: tuple[tuple[Axes, Axes | None, bool], ...] = (
    ((2, 3), (1,), True),
    ((2, 3), (-1,), False),
    ((2, 2, 2), (0, 2), False),
    ((2, 1, 2), (-1, 0), True),
    ((2, 2), None, True),
    ((2, 2), None, False),
)


def whole(shape: Axes) -> Axes:
    return tuple(range(len(shape)))


def modern() -> Iterator[Case]:
    for name, (compute, numbers) in REDUCTIONS.items():
        for shape, axes, keep in FORMS:
            said = "all" if axes is None else ",".join(map(str, axes))
            inputs = [numbers(*shape)] + ([] if axes is None else [ints(*axes)])
            yield Case(
                f"{name} {said} of {len(shape)}{' kept' if keep else ''}",
                op(name, len(inputs), f"keepdims = {int(keep)}"),
                inputs,
                lambda x, *_, f=compute, a=axes or whole(shape), k=keep: f(x, a, k),
            )
    for name in ("ReduceSum", "ReduceMean"):
        compute = REDUCTIONS[name][0]
        body = op(name, 1, "noop_with_empty_axes = 1")
        yield Case(f"{name} of no axes, nothing done", body, [N.floats(2, 2)], lambda x: x * 1)
        every = lambda x, _, f=compute: f(x, (0, 1), True)  # noqa: E731
        yield Case(f"{name} of an empty list of axes", op(name, 2), [N.floats(2, 2), ints()], every)
    nothing = "noop_with_empty_axes = 1"
    yield Case(
        "ReduceSum of an empty list, nothing done",
        op("ReduceSum", 2, nothing),
        [N.floats(2, 2), ints()],
        lambda x, _: x * 1,
    )


def edges() -> Iterator[Case]:
    yield Case("ReduceSum over nothing", op("ReduceSum", 2), [N.floats(0, 3), ints(0)], lambda x, _: x.sum(0, True))
    yield Case("ReduceSum beside nothing", op("ReduceSum", 2), [N.floats(0, 3), ints(1)], lambda x, _: x.sum(1, True))
    body = op("ReduceMean", 2, "keepdims = 0")
    yield Case("ReduceMean beside nothing", body, [N.floats(0, 3), ints(1)], lambda x, _: x.mean(1))
    yield Case("ReduceSum of a number", op("ReduceSum", 1), [N.floats()], lambda x: x * 1)
    zeros = given([[1.5, 0.0, -2.0], [0.0, 0.0, 3.0], [2.0, 0.5, -1.0]])
    body = op("ReduceProd", 2, "keepdims = 0")
    yield Case("ReduceProd with zeros", body, [zeros, ints(1)], lambda x, _: x.prod(1))
    large = given([[100.0, 99.0, -100.0], [-100.0, -101.0, -102.0]])
    yield Case("ReduceLogSumExp of large numbers", op("ReduceLogSumExp", 2), [large, ints(1)], lambda x, _: x.logsumexp(1, True))
    masked = given([[0.5, -math.inf, 1.0], [2.0, 1.0, -math.inf]])
    yield Case("ReduceLogSumExp of a mask", op("ReduceLogSumExp", 2), [masked, ints(1)], lambda x, _: x.logsumexp(1, True))
    half = [N.floats(2, 3, dtype="float16"), ints(-1)]
    yield Case("ReduceSum in half", op("ReduceSum", 2), half, lambda x, _: x.sum(-1, True))
    yield Case("ReduceMean in half", op("ReduceMean", 2), half, lambda x, _: x.mean(-1, True))


def cases() -> Iterator[Case]:
    yield from modern()
    yield from edges()
