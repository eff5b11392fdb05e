"""Ops that gather and scatter, and those that pick a part."""

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from .case import Case, Numbers, given, ints, op

ABOUT = "Gradients of gathering and scattering by torch.autograd in float64; see samples/export/gradient_oracle.py."
N = Numbers("indexing")


def gathers() -> Iterator[Case]:
    forms = (
        ((4, 2), 0, [[0, 2], [2, -1]]),
        ((2, 3), 1, [1, 1, 0]),
        ((2, 3, 2), -2, [2, 0]),
        ((3, 2), 0, 1),
        ((3, 2), 1, -1),
        ((3, 2), 0, []),
        ((3,), 0, [[2], [2]]),
    )

    def compute(x: Tensor, i: Tensor, axis: int) -> Tensor:
        axis, size = axis % x.dim(), x.shape[axis]
        flat = x.index_select(axis, (i % size).reshape(-1))
        return flat.reshape(*x.shape[:axis], *i.shape, *x.shape[axis + 1 :])

    for shape, axis, where in forms:
        inputs = [N.floats(*shape), given(where, "int64")]
        body = op("Gather", 2, f"axis = {axis}")
        yield Case(f"Gather {axis} of {len(shape)} by {where}", body, inputs, lambda x, i, a=axis: compute(x, i, a))
    rows = [N.floats(4, 2), given([[3, 0, 3]], "int64", constant=False)]
    yield Case("Gather at run time", op("Gather", 2), rows, lambda x, i: x[i])
    narrow = [N.floats(4, 2), given([3, 0, 3], "int32", constant=False)]
    yield Case("Gather by int32", op("Gather", 2), narrow, lambda x, i: x[i.long()])
    half = [N.floats(4, 2, dtype="float16"), given([3, 0, 3], "int64")]
    yield Case("Gather in half", op("Gather", 2), half, lambda x, i: x[i])


def elements() -> Iterator[Case]:
    for axis, shape, where in ((0, (3, 2), [[0, 2], [0, 1]]), (1, (2, 3), [[2, 2, 0, -1], [1, 0, 0, 0]]), (-1, (3,), [1, 1])):
        inputs = [N.floats(*shape), given(where, "int64")]
        pick = lambda x, i, a=axis: x.gather(a, i % x.shape[a])  # noqa: E731
        yield Case(f"GatherElements {axis} of {len(shape)}", op("GatherElements", 2, f"axis = {axis}"), inputs, pick)
    forms = (
        (0, (2, 3), [[0, 1], [1, -1], [0, 1]]),
        (0, (2, 3, 2), [[[1, 0]], [[1, 0]]]),
        (0, (3, 2), [[2], [0]]),
        (1, (2, 3), [[2], [0]]),
        (1, (2, 2, 3), [[[1, 0]], [[0, 2]]]),
        (2, (2, 2, 3), [[[2], [0]], [[1], [1]]]),
    )
    for batch, shape, where in forms:
        inputs = [N.floats(*shape), given(where, "int64")]
        body = op("GatherND", 2, f"batch_dims = {batch}")
        yield Case(f"GatherND {batch} of {len(shape)} by {where}", body, inputs, lambda x, i, b=batch: gather_nd(x, i, b))


def gather_nd(x: Tensor, i: Tensor, batch: int) -> Tensor:
    if batch == 0:
        return x[tuple(i.unbind(-1))]
    return torch.stack([gather_nd(a, b, batch - 1) for a, b in zip(x, i)])


REDUCED = {"add": torch.add, "mul": torch.mul, "max": torch.maximum, "min": torch.minimum}


def scattered(data: Tensor, places: list[tuple], values: list[Tensor], reduction: str) -> Tensor:
    """The data with a value at each of the places, one after another."""
    cells = {p: data[p] for p in itertools.product(*map(range, data.shape))}
    for place, value in zip(places, values):
        old = cells[place]
        cells[place] = value if reduction == "none" else REDUCED[reduction](old, value)
    return torch.stack(list(cells.values())).reshape(data.shape) if cells else data


def scatters() -> Iterator[Case]:
    def nd(data: Tensor, i: Tensor, updates: Tensor, reduction: str) -> Tensor:
        depth, places, values = i.shape[-1], [], []
        rows = zip(i.reshape(-1, depth).tolist(), updates.reshape(-1, *data.shape[depth:]))
        for index, row in rows:
            index = tuple(a % n for a, n in zip(index, data.shape))
            for rest in itertools.product(*map(range, row.shape)):
                places.append((*index, *rest))
                values.append(row[rest])
        return scattered(data, places, values, reduction)

    def by_elements(data: Tensor, i: Tensor, updates: Tensor, axis: int, reduction: str) -> Tensor:
        places, values = [], []
        for at in itertools.product(*map(range, i.shape)):
            place = list(at)
            place[axis] = int(i[at]) % data.shape[axis]
            places.append(tuple(place))
            values.append(updates[at])
        return scattered(data, places, values, reduction)

    for reduction in ("none", *REDUCED):
        # No place twice without a reduction: which value stays is not defined.
        rows = [[2], [0]] if reduction == "none" else [[2], [0], [2]]
        said = f'reduction = "{reduction}"'
        inputs = [N.apart(3, 2), given(rows, "int64"), N.floats(len(rows), 2)]
        body = op("ScatterND", 3, said)
        yield Case(f"ScatterND {reduction}", body, inputs, lambda *x, r=reduction: nd(*x, r))
        where = [[0, 2], [1, 0]] if reduction == "none" else [[0, 0], [1, -1]]
        inputs = [N.apart(2, 3), given(where, "int64"), N.floats(2, 2)]
        body = op("ScatterElements", 3, f"axis = 1, {said}")
        yield Case(f"ScatterElements {reduction}", body, inputs, lambda *x, r=reduction: by_elements(*x, 1, r))
    inputs = [N.floats(2, 3), given([[0, 1], [1, -1]], "int64"), N.floats(2)]
    yield Case("ScatterND at numbers", op("ScatterND", 3), inputs, lambda *x: nd(*x, "none"))
    inputs = [N.floats(3, 2), given([[2, 0], [0, 1]], "int64"), N.floats(2, 2)]
    yield Case("ScatterElements 0", op("ScatterElements", 3), inputs, lambda *x: by_elements(*x, 0, "none"))
    inputs = [N.floats(3, 2), given([[1]], "int64", constant=False), N.floats(1, 2)]
    yield Case("ScatterND at run time", op("ScatterND", 3), inputs, lambda *x: nd(*x, "none"))


def caches() -> Iterator[Case]:
    def compute(cache: Tensor, update: Tensor, at: Tensor | None, circular: bool) -> Tensor:
        rows, (batch, _, length, _) = [], cache.shape
        for b in range(batch):
            start = 0 if at is None else int(at[b])
            columns = list(cache[b].unbind(1))
            for j in range(update.shape[2]):
                columns[(start + j) % length if circular else start + j] = update[b, :, j]
            rows.append(torch.stack(columns, 1))
        return torch.stack(rows)

    def shapes() -> list:
        return [N.floats(2, 1, 4, 2), N.floats(2, 1, 2, 2)]

    for mode, at in (("linear", [1, 2]), ("circular", [3, 0])):
        body = op("TensorScatter", 3, f'mode = "{mode}", axis = -2')
        inputs = [*shapes(), ints(*at)]
        yield Case(f"TensorScatter {mode}", body, inputs, lambda *x, m=mode: compute(*x, m == "circular"), opset=24)
    yield Case("TensorScatter at zero", op("TensorScatter", 2), shapes(), lambda *x: compute(*x, None, False), opset=24)


def largest() -> Iterator[Case]:
    for axis, large in ((-1, 1), (0, 0), (1, 1)):
        inputs = [N.apart(3, 4), ints(2)]
        body = f"o0, o1 = TopK <axis = {axis}, largest = {large}, sorted = 1> (i0, i1)"
        compute = lambda x, _, a=axis, g=large: tuple(x.topk(2, a, bool(g)))  # noqa: E731
        yield Case(f"TopK {axis} {'largest' if large else 'least'}", body, inputs, compute)


def cases() -> Iterator[Case]:
    for part in (gathers, elements, scatters, caches, largest):
        yield from part()
