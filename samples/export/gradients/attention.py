"""Attention: the operators of ONNX and of onnxruntime, and a softmax over scores spelled out."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .case import Case, Input, Numbers, given
from .rotary import frozen, on_rows, rotated

ABOUT = "Gradients of attention by torch.autograd in float64; see samples/export/gradient_oracle.py."
N = Numbers("attention")
INF = math.inf


@dataclass(frozen=True)
class Rules:
    """What attention does with its scores."""

    scale: float | None = None
    softcap: float = 0.0
    causal: bool = False
    window: int = 0
    smooth: bool = False


def attend(q: Tensor, k: Tensor, v: Tensor, rules: Rules, bias: Tensor | None = None, sink: Tensor | None = None) -> Tensor:
    """Attention of `[B, H, S, D]` to keys and values `[B, KV, T, D]`; the last S of T are the queries' own."""
    groups = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    scores = q @ k.transpose(-1, -2) * (1 / math.sqrt(q.shape[-1]) if rules.scale is None else rules.scale)
    if rules.softcap:
        scores = rules.softcap * torch.tanh(scores / rules.softcap)
    if bias is not None:
        scores = scores + bias
    s, t = scores.shape[-2:]
    ahead = torch.arange(t) - (torch.arange(s)[:, None] + t - s)
    if rules.causal:
        scores = scores.masked_fill(ahead > 0, -INF)
    if rules.window:
        scores = scores.masked_fill(ahead <= -rules.window, -INF)
    if rules.smooth or sink is not None:
        extra = torch.zeros(q.shape[1], dtype=q.dtype) if sink is None else sink
        scores = torch.cat([scores, extra[None, :, None, None].expand(*scores.shape[:-1], 1)], -1)
    weights = scores.softmax(-1)[..., :t]
    return weights @ v


def heads(x: Tensor, count: int) -> Tensor:
    return x.reshape(*x.shape[:2], count, -1).transpose(1, 2)


def rows(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


def standard() -> Iterator[Case]:
    """Attention-23 and -24."""

    def qkv(h: int = 2, kv: int = 2, t: int = 3, dv: int = 2) -> list[Input]:
        return [N.floats(1, h, 3, 2), N.floats(1, kv, t, 2), N.floats(1, kv, t, dv)]

    def case(name: str, attributes: str, inputs: list, rules: Rules, opset: int = 23) -> Case:
        operands = ", ".join(f"i{i}" for i in range(len(inputs)))
        body = f"o0 = Attention{f' <{attributes}>' if attributes else ''} ({operands})"

        def compute(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
            if mask is not None and mask.dtype == torch.bool:
                mask = torch.where(mask, 0.0, -INF).double()
            return attend(q, k, v, rules, mask)

        return Case(name, body, inputs, compute, opset=opset)

    causal = Rules(causal=True)
    seen = given([[True, False, False], [True, True, False], [False, True, True]], "bool", constant=False)
    added = given([[0.0, -INF, -INF], [0.5, 0.0, -INF], [-1.5, 0.25, 0.0]])
    yield case("Attention", "", qkv(), Rules())
    yield case("Attention causal", "is_causal = 1", qkv(), causal)
    yield case("Attention scaled", "scale = 0.3, is_causal = 1", qkv(), Rules(scale=0.3, causal=True))
    yield case("Attention soft-capped", "softcap = 1.5, is_causal = 1", qkv(), Rules(softcap=1.5, causal=True))
    yield case("Attention of groups", "is_causal = 1", qkv(4, 2), causal)
    yield case("Attention of wide values", "is_causal = 1", qkv(dv=3), causal)
    yield case("Attention with truth values", "", [*qkv(), seen], Rules())
    yield case("Attention with a bias", "", [*qkv(), added], Rules())
    yield case("Attention of groups with a bias", "", [*qkv(2, 1), added], Rules())
    each = Input(torch.stack([added.values, added.values * 0.5]).nan_to_num(neginf=-INF)[None])
    yield case("Attention with a bias of each head", "", [*qkv(), each], Rules())
    yield case("Attention to other keys", "", qkv(t=2), Rules())
    yield case("Attention in opset 24", "is_causal = 1", qkv(2, 1), causal, opset=24)
    said = "q_num_heads = 2, kv_num_heads = 1, is_causal = 1"
    flat = [N.floats(2, 3, 4), N.floats(2, 3, 2), N.floats(2, 3, 2)]
    compute = lambda q, k, v: rows(attend(heads(q, 2), heads(k, 1), heads(v, 1), causal))  # noqa: E731
    yield Case("Attention of rows", f"o0 = Attention <{said}> (i0, i1, i2)", flat, compute, opset=23)
    yield from with_past()


def with_past() -> Iterator[Case]:
    inputs = [N.floats(1, 2, 2, 2), N.floats(1, 1, 2, 2), N.floats(1, 1, 2, 2), None, N.floats(1, 1, 1, 2), N.floats(1, 1, 1, 2)]
    body = 'o0, o1, o2 = Attention <is_causal = 1> (i0, i1, i2, "", i4, i5)'

    def compute(q: Tensor, k: Tensor, v: Tensor, _: None, past_k: Tensor, past_v: Tensor) -> tuple[Tensor, ...]:
        k, v = torch.cat([past_k, k], 2), torch.cat([past_v, v], 2)
        return attend(q, k, v, Rules(causal=True)), k, v

    yield Case("Attention with a past", body, inputs, compute, opset=23)


def whole_number(*values: int) -> Input:
    return given(list(values), "int32", constant=False)


def grouped() -> Iterator[Case]:
    """GroupQueryAttention on an empty cache."""

    def case(name: str, attributes: str, rules: Rules, h: int = 2, kv: int = 1, dim: int = 8, more: tuple = ()) -> Case:
        turned = "do_rotary = 1" in attributes
        interleaved = "rotary_interleaved = 1" in attributes
        inputs = [N.floats(1, 3, h * dim), N.floats(1, 3, kv * dim), N.floats(1, 3, kv * dim)]
        caches = [frozen(3, dim // 2) for _ in range(2)] if turned else [None, None]
        inputs += [None, None, whole_number(2), given(3, "int32", constant=True), *caches, *more]
        while inputs[-1] is None:
            inputs.pop()
        operands = ", ".join('""' if v is None else f"i{i}" for i, v in enumerate(inputs))
        said = f"num_heads = {h}, kv_num_heads = {kv}{', ' if attributes else ''}{attributes}"
        body = f"o0, p, q = com.microsoft.GroupQueryAttention <{said}> ({operands})"

        def compute(q: Tensor, k: Tensor, v: Tensor, *rest: Tensor | None) -> Tensor:
            rest = [*rest, *[None] * (9 - len(rest))]
            cos, sin, bias, sink = rest[4], rest[5], rest[7], rest[8]
            if turned:
                turn = lambda x: rotated(x, cos[None], sin[None], interleaved, dim)  # noqa: E731
                q, k = on_rows(q, h, turn), on_rows(k, kv, turn)
            return rows(attend(heads(q, h), heads(k, kv), heads(v, kv), rules, bias, sink))

        return Case(name, body, inputs, compute)

    causal = Rules(causal=True)
    bias = given([[[[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [-1.5, 0.25, 0.0]]]])
    yield case("GroupQueryAttention", "", causal)
    yield case("GroupQueryAttention of four heads", "", causal, h=4, kv=2, dim=8)
    yield case("GroupQueryAttention scaled", "scale = 0.4", Rules(scale=0.4, causal=True))
    yield case("GroupQueryAttention soft-capped", "softcap = 2.0", Rules(softcap=2.0, causal=True))
    yield case("GroupQueryAttention with a window", "local_window_size = 2", Rules(window=2, causal=True))
    yield case("GroupQueryAttention smooth", "smooth_softmax = 1", Rules(smooth=True, causal=True))
    yield case("GroupQueryAttention with sinks", "", causal, more=(None, None, N.floats(2)))
    yield case("GroupQueryAttention with a bias", "", causal, more=(None, bias))
    yield case("GroupQueryAttention that rotates", "do_rotary = 1", causal, dim=16)
    neighbours = "do_rotary = 1, rotary_interleaved = 1"
    yield case("GroupQueryAttention that rotates neighbours", neighbours, causal, h=1, dim=16)
    packed = [N.floats(1, 3, 32), None, None, None, None, whole_number(2), given(3, "int32", constant=True)]
    body = 'o0, p, q = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1> (i0, "", "", "", "", i5, i6)'

    def of_packed(x: Tensor, *_: Tensor | None) -> Tensor:
        q, k, v = x.split([16, 8, 8], -1)
        return rows(attend(heads(q, 2), heads(k, 1), heads(v, 1), causal))

    yield Case("GroupQueryAttention of packed rows", body, packed, of_packed)


def multi_head() -> Iterator[Case]:
    """MultiHeadAttention."""

    def case(name: str, attributes: str, rules: Rules, more: tuple = ()) -> Case:
        inputs = [N.floats(1, 3, 4), N.floats(1, 3, 4), N.floats(1, 3, 4), *more]
        operands = ", ".join('""' if v is None else f"i{i}" for i, v in enumerate(inputs))
        body = f"o0 = com.microsoft.MultiHeadAttention <num_heads = 2{attributes}> ({operands})"

        def compute(q: Tensor, k: Tensor, v: Tensor, *rest: Tensor | None) -> Tensor:
            bias, padding, added = [*rest, *[None] * (3 - len(rest))]
            if bias is not None:
                a, b, c = bias.chunk(3)
                q, k, v = q + a, k + b, v + c
            if padding is not None:
                added = torch.where(padding[:, None, None] == 0, -INF, 0.0).double()
            return rows(attend(heads(q, 2), heads(k, 2), heads(v, 2), rules, added))

        return Case(name, body, inputs, compute)

    added = given([[[[0.0, 0.5, 0.0], [0.5, 0.0, 1.0], [-1.5, 0.25, 0.0]]]])
    yield case("MultiHeadAttention", "", Rules())
    yield case("MultiHeadAttention causal", ", unidirectional = 1", Rules(causal=True))
    yield case("MultiHeadAttention scaled", ", scale = 0.4", Rules(scale=0.4))
    yield case("MultiHeadAttention with biases", "", Rules(), more=(N.floats(12),))
    padding = given([[1, 1, 0]], "int32", constant=False)
    yield case("MultiHeadAttention with padding", "", Rules(), more=(None, padding))
    yield case("MultiHeadAttention with added scores", "", Rules(), more=(None, None, added))


def cases() -> Iterator[Case]:
    yield from standard()
    yield from grouped()
    yield from multi_head()
