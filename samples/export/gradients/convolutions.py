"""Convolutions along a sequence."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .case import Case, Numbers, op

ABOUT = "Gradients of convolutions by torch.autograd in float64; see samples/export/gradient_oracle.py."
N = Numbers("convolutions")


def conv(x: Tensor, w: Tensor, b: Tensor | None = None, *, pads: tuple = (0, 0), **settings: int) -> Tensor:
    return F.conv1d(F.pad(x, pads), w, b, **settings)


# name: shapes of x and w, bias, pads, group, stride, dilation
FORMS = {
    "depthwise causal": ((2, 3, 5), (3, 1, 3), False, (2, 0), 3, 1, 1),
    "depthwise causal with bias": ((1, 3, 4), (3, 1, 3), True, (2, 0), 3, 1, 1),
    "depthwise on both sides": ((1, 2, 4), (2, 1, 3), True, (2, 2), 2, 1, 1),
    "dense": ((2, 2, 4), (3, 2, 2), True, (1, 0), 1, 1, 1),
    "grouped": ((1, 4, 3), (4, 2, 2), False, (0, 0), 2, 1, 1),
    "in steps": ((1, 2, 6), (2, 1, 2), False, (0, 0), 2, 2, 1),
    "dilated": ((1, 2, 6), (2, 1, 2), False, (2, 0), 2, 1, 2),
}


def cases() -> Iterator[Case]:
    for name, (x, w, bias, pads, group, stride, dilation) in FORMS.items():
        inputs = [N.floats(*x), N.floats(*w), *([N.floats(w[0])] if bias else [])]
        attributes = (
            f"kernel_shape = [{w[2]}], pads = [{pads[0]}, {pads[1]}], group = {group}, "
            f"strides = [{stride}], dilations = [{dilation}]"
        )
        settings = {"pads": pads, "groups": group, "stride": stride, "dilation": dilation}
        yield Case(f"Conv {name}", op("Conv", len(inputs), attributes), inputs, lambda *x, s=settings: conv(*x, **s))
    for activation in ("none", "silu"):
        def carried(x: Tensor, w: Tensor, b: Tensor, past: Tensor, a: str = activation) -> tuple[Tensor, Tensor]:
            joined = torch.cat([past, x], 2)
            y = F.conv1d(joined, w, b, groups=3)
            return F.silu(y) if a == "silu" else y, joined[..., -2:]

        inputs = [N.floats(2, 3, 4), N.floats(3, 1, 3), N.floats(3), N.floats(2, 3, 2)]
        body = op("com.microsoft.CausalConvWithState", 4, f'activation = "{activation}", ndim = 1', 2)
        yield Case(f"CausalConvWithState {activation}", body, inputs, carried)
    body = op("com.microsoft.CausalConvWithState", 2, "ndim = 1", 2)
    alone = lambda x, w: (F.conv1d(F.pad(x, (2, 0)), w, groups=3), F.pad(x, (2, 0))[..., -2:].detach())  # noqa: E731
    yield Case("CausalConvWithState alone", body, [N.floats(1, 3, 4), N.floats(3, 1, 3)], alone, seeded=[0])
