"""Ops that move, cut and repeat."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .case import Case, Numbers, given, ints, op

ABOUT = "Gradients of ops on shapes by torch.autograd in float64; see samples/export/gradient_oracle.py."
N = Numbers("shapes")


def slices() -> Iterator[Case]:
    forms = (
        ((4, 3), [1], [3], [0], None),
        ((4, 3), [0, 1], [9223372036854775807, -1], [0, 1], None),
        ((5, 2), [0], [5], [0], [2]),
        ((5, 2), [-1], [-9223372036854775807], [0], [-2]),
        ((2, 4), [3], [0], [-1], [-1]),
        ((3, 4), [0, 3], [3, -100], None, [2, -3]),
        ((3,), [2], [1], [0], None),
    )

    def compute(x: Tensor, starts: list, ends: list, axes: list | None, steps: list | None) -> Tensor:
        for k, (start, end) in enumerate(zip(starts, ends)):
            axis, step = k if axes is None else axes[k], 1 if steps is None else steps[k]
            at = range(x.shape[axis])[slice(start, end, step)]
            x = x.index_select(axis, torch.tensor(list(at), dtype=torch.int64))
        return x

    for shape, starts, ends, axes, steps in forms:
        optional = [None if v is None else ints(*v) for v in (axes, steps)]
        inputs = [N.floats(*shape), ints(*starts), ints(*ends), *optional]
        while inputs[-1] is None:
            inputs.pop()
        body = op("Slice", len(inputs), skipped=[i for i, v in enumerate(inputs) if v is None])
        name = f"Slice {list(shape)} {starts} {[min(e, 99) for e in ends]} {axes} {steps}"
        said = (starts, ends, axes, steps)
        yield Case(name, body, inputs, lambda x, *_, s=said: compute(x, *s))


def splits() -> Iterator[Case]:
    inputs = [N.floats(2, 5), ints(2, 3)]
    yield Case("Split", op("Split", 2, "axis = -1", 2), inputs, lambda x, _: x.split([2, 3], -1))
    body = op("Split", 1, "axis = 0, num_outputs = 2", 2)
    yield Case("Split into equal parts", body, [N.floats(4, 2)], lambda x: x.split(2, 0))
    yield Case("Split unevenly", op("Split", 1, "axis = 1, num_outputs = 2", 2), [N.floats(2, 3)], lambda x: x.split(2, 1))
    one = lambda x, _: (x.split([2, 3], -1)[0], x.split([2, 3], -1)[1].detach())  # noqa: E731
    yield Case("Split of which a part is read", op("Split", 2, "axis = -1", 2), inputs, one, seeded=[0])
    empty = [N.floats(3, 2), ints(0, 3)]
    yield Case("Split with an empty part", op("Split", 2, "axis = 0", 2), empty, lambda x, _: x.split([0, 3], 0))


def joins() -> Iterator[Case]:
    for axis, shapes in ((0, ((1, 2), (2, 2))), (-1, ((2, 1), (2, 2), (2, 1))), (1, ((2, 0, 2), (2, 1, 2)))):
        inputs = [N.floats(*shape) for shape in shapes]
        body = op("Concat", len(inputs), f"axis = {axis}")
        yield Case(f"Concat {axis} of {len(inputs)}", body, inputs, lambda *x, a=axis: torch.cat(x, a))
    yield Case("Concat of one value twice", "o0 = Concat <axis = 0> (i0, i0)", [N.floats(2)], lambda x: torch.cat([x, x]))


def expansions() -> Iterator[Case]:
    for shape, to in (((2, 1), [2, 3]), ((3,), [2, 1]), ((), [2]), ((2, 3), [1, 1]), ((1, 2), [2, 1, 2]), ((1, 2), [0, 2])):
        wide = torch.broadcast_shapes(shape, tuple(to))
        inputs = [N.floats(*shape), ints(*to)]
        yield Case(f"Expand {list(shape)} {to}", op("Expand", 2), inputs, lambda x, _, w=wide: x.expand(w))
    for shape, by in (((2, 2), [1, 3]), ((2, 3), [2, 2]), ((2,), [0]), ((1, 2, 1), [2, 1, 2])):
        inputs = [N.floats(*shape), ints(*by)]
        yield Case(f"Tile {list(shape)} {by}", op("Tile", 2), inputs, lambda x, _, r=by: x.repeat(r))


def reshapes() -> Iterator[Case]:
    forms = (((2, 3), [3, 2], ""), ((2, 3), [-1], ""), ((2, 3, 2), [0, -1], ""), ((0, 3), [3, 0], "allowzero = 1"), ((1,), [], ""))
    for shape, to, attributes in forms:
        if to == [0, -1]:
            final = (2, 6)
        else:
            final = tuple(to)
        inputs = [N.floats(*shape), ints(*to)]
        yield Case(f"Reshape {list(shape)} {to}", op("Reshape", 2, attributes), inputs, lambda x, _, f=final: x.reshape(f))
    for axis in (0, 1, 2, -1):
        def flat(x: Tensor, a: int = axis) -> Tensor:
            a = a % 3
            return x.reshape(int(torch.tensor(x.shape[:a]).prod()), -1)

        yield Case(f"Flatten {axis}", op("Flatten", 1, f"axis = {axis}"), [N.floats(2, 2, 2)], flat)
    yield Case("Transpose", op("Transpose", 1), [N.floats(2, 3)], lambda x: x.T)
    yield Case("Transpose all", op("Transpose", 1), [N.floats(2, 1, 3)], lambda x: x.permute(2, 1, 0))
    body = op("Transpose", 1, "perm = [2, 0, 1]")
    yield Case("Transpose 2 0 1", body, [N.floats(2, 1, 3)], lambda x: x.permute(2, 0, 1))
    yield Case("Squeeze", op("Squeeze", 2), [N.floats(1, 2, 1), ints(-1)], lambda x, _: x.squeeze(-1))
    yield Case("Squeeze all", op("Squeeze", 1), [N.floats(1, 2, 1)], lambda x: x.squeeze())
    yield Case("Unsqueeze", op("Unsqueeze", 2), [N.floats(2, 2), ints(0, -1)], lambda x, _: x[None, ..., None])


def pads() -> Iterator[Case]:
    yield Case("Pad", op("Pad", 2), [N.floats(2, 2), ints(1, 0, 0, 2)], lambda x, _: F.pad(x, (0, 2, 1, 0)))
    value = [N.floats(2, 2), ints(0, 1, 1, 0), given(0.5, constant=True)]
    yield Case("Pad with a number", op("Pad", 3), value, lambda x, _, c: F.pad(x, (1, 0, 0, 1), value=c.item()))
    axes = [N.floats(2, 3), ints(2, 1), None, ints(-1)]
    yield Case("Pad of an axis", op("Pad", 4, skipped=[2]), axes, lambda x, *_: F.pad(x, (2, 1)))
    cut = [N.floats(2, 3), ints(0, -1, 1, 1)]
    yield Case("Pad that cuts", op("Pad", 2), cut, lambda x, _: F.pad(x, (-1, 1, 0, 1)))


def triangles() -> Iterator[Case]:
    for upper, k in ((1, None), (0, None), (1, 1), (0, -1)):
        inputs = [N.floats(2, 2, 3), *([] if k is None else [given(k, "int64")])]
        half = torch.triu if upper else torch.tril
        compute = lambda x, *_, f=half, d=k or 0: f(x, d)  # noqa: E731
        yield Case(f"Trilu {upper} {k}", op("Trilu", len(inputs), f"upper = {upper}"), inputs, compute)
    for exclusive, reverse in ((0, 0), (1, 0), (0, 1), (1, 1)):
        def compute(x: Tensor, _: Tensor, e: int = exclusive, r: int = reverse) -> Tensor:
            y = x.flip(1) if r else x
            y = y.cumsum(1) - (y if e else 0)
            return y.flip(1) if r else y

        body = op("CumSum", 2, f"exclusive = {exclusive}, reverse = {reverse}")
        yield Case(f"CumSum {exclusive} {reverse}", body, [N.floats(2, 3), given(-1, "int64")], compute)


def cases() -> Iterator[Case]:
    for part in (slices, splits, joins, expansions, reshapes, pads, triangles):
        yield from part()
