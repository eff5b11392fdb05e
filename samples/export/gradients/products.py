"""Matrix products."""

from collections.abc import Iterator

import torch
from torch import Tensor

from .case import Case, Numbers, op
from .elementwise import short

ABOUT = "Gradients of matrix products by torch.autograd in float64; see samples/export/gradient_oracle.py."
N = Numbers("products")
MATMULS = (
    ((2, 3), (3, 2)),
    ((3,), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3,)),
    ((2, 2, 3), (3, 2)),
    ((2, 3), (2, 3, 2)),
    ((2, 2, 3), (2, 3, 2)),
    ((1, 2, 2), (3, 2, 2)),
    ((2, 1, 1, 2), (2, 2, 2)),
    ((2,), (2, 2, 3)),
    ((2, 2, 3), (3,)),
    ((2,), (1, 2, 2, 1)),
    ((2, 1, 2, 2), (2,)),
    ((0, 2), (2, 2)),
    ((2, 0), (0, 2)),
    ((2, 0, 2), (2, 2)),
    ((0, 2, 2), (2, 2)),
    ((2, 2), (2, 0)),
)
EINSUMS = {
    "ij,jk->ik": ((2, 3), (3, 2)),
    "bij,bjk->bik": ((2, 2, 2), (2, 2, 2)),
    "bhqd,bhkd->bhqk": ((1, 2, 2, 2), (1, 2, 2, 2)),
    "bqhd,bkhd->bhqk": ((1, 2, 2, 2), (1, 2, 2, 2)),
    "bqhgd,bkhd->bhgqk": ((1, 2, 1, 2, 2), (1, 2, 1, 2)),
    "...ij,jk->...ik": ((2, 1, 2), (2, 3)),
    "...ij,...jk->...ik": ((2, 2, 2), (1, 2, 2)),
    "bij,kj->bik": ((2, 2, 2), (3, 2)),
    "i,j->ij": ((2,), (3,)),
    "i,i->": ((3,), (3,)),
    "ij->ji": ((2, 3),),
    "ij->i": ((2, 3),),
    "ij->": ((2, 2),),
    "ij,jk": ((2, 2), (2, 2)),
    "ij,jk,kl->il": ((2, 2), (2, 2), (2, 2)),
    "ij,j,ik->k": ((2, 2), (2,), (2, 3)),
    "i,ij->ij": ((2,), (2, 2)),
}


def gemms() -> Iterator[Case]:
    def compute(a: Tensor, b: Tensor, c: Tensor | None = None, *, ta: int, tb: int, alpha: float, beta: float):
        y = alpha * (a.T if ta else a) @ (b.T if tb else b)
        return y if c is None else y + beta * c

    third = (None, (), (1,), (2,), (3, 1), (1, 2), (3, 2))
    forms = [(ta, tb, third[(i * 2 + 3) % 7], 0.5, 2.0) for i, (ta, tb) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)])]
    forms += [(0, 1, c, 1.0, 1.0) for c in third]
    for ta, tb, c, alpha, beta in forms:
        shapes = [(2, 3) if ta else (3, 2), (2, 2), *([] if c is None else [c])]
        attributes = f"alpha = {alpha}, beta = {beta}, transA = {ta}, transB = {tb}"
        name = f"Gemm {'t' if ta else 'n'}{'t' if tb else 'n'} {'alone' if c is None else short(c)} {alpha}"
        settings = {"ta": ta, "tb": tb, "alpha": alpha, "beta": beta}
        body = op("Gemm", len(shapes), attributes)
        yield Case(name, body, [N.floats(*s) for s in shapes], lambda *x, s=settings: compute(*x, **s))
    half = [N.floats(2, 3, dtype="float16"), N.floats(2, 3, dtype="float16"), N.floats(2, dtype="float16")]
    yield Case("Gemm in half", op("Gemm", 3, "transB = 1"), half, lambda a, b, c: a @ b.T + c)
    empty = [N.floats(0, 2), N.floats(2, 2), N.floats(2)]
    yield Case("Gemm of no rows", op("Gemm", 3), empty, lambda a, b, c: a @ b + c)


def fused() -> Iterator[Case]:
    def compute(a: Tensor, b: Tensor, ta: int, tb: int, alpha: float) -> Tensor:
        def turned(x: Tensor, t: int) -> Tensor:
            return x.transpose(-1, -2) if t else x

        return alpha * turned(a, ta) @ turned(b, tb)

    shapes = (((2, 3), (3, 2)), ((2, 2, 3), (3, 2)), ((2, 2, 3), (2, 3, 2)))
    for ta, tb in ((0, 0), (0, 1), (1, 0), (1, 1)):
        for a, b in shapes:
            a2 = (*a[:-2], a[-1], a[-2]) if ta else a
            b2 = (*b[:-2], b[-1], b[-2]) if tb else b
            attributes = f"alpha = 0.5, transA = {ta}, transB = {tb}"
            name = f"FusedMatMul {'t' if ta else 'n'}{'t' if tb else 'n'} {short(a2)} {short(b2)}"
            body = op("com.microsoft.FusedMatMul", 2, attributes)
            yield Case(name, body, [N.floats(*a2), N.floats(*b2)], lambda a, b, t=(ta, tb): compute(a, b, *t, 0.5))


def cases() -> Iterator[Case]:
    for a, b in MATMULS:
        yield Case(f"MatMul {short(a)} {short(b)}", op("MatMul", 2), [N.floats(*a), N.floats(*b)], torch.matmul)
    half = [N.floats(2, 3, dtype="float16"), N.floats(3, 2, dtype="float16")]
    yield Case("MatMul in half", op("MatMul", 2), half, torch.matmul)
    yield Case("MatMul of one value twice", "o0 = MatMul (i0, i0)", [N.floats(2, 2)], lambda x: x @ x)
    yield from gemms()
    yield from fused()
    for equation, shapes in EINSUMS.items():
        body = op("Einsum", len(shapes), f'equation = "{equation}"')
        inputs = [N.floats(*shape) for shape in shapes]
        yield Case(f"Einsum {equation}", body, inputs, lambda *x, e=equation: torch.einsum(e, *x))
