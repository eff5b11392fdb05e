"""Attention over a paged cache, one sequence after another: the reference for every faster or fused form.

A cache is `[num_blocks, block_size, kv_heads, head]`. Tokens of all sequences lie one after another;
`cumulative_sequence_length` says where each sequence's new tokens begin, `past_seqlens` how many of its tokens are
in the cache already, and row b of `block_table` in which blocks of the cache sequence b lies.
"""

import math

import torch


def slots_of(cumulative: torch.Tensor, past: torch.Tensor, table: torch.Tensor, size: int):
    """The row of the flattened cache that each new token's key and value go to."""
    slots = []
    for b in range(len(past)):
        for t in range(int(cumulative[b + 1] - cumulative[b])):
            at = int(past[b]) + t
            slots.append(int(table[b, at // size]) * size + at % size)
    return torch.tensor(slots, dtype=torch.int32)


def write(cache: torch.Tensor, rows: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
    """The cache with `rows` at `slots`; a slot of -1 is left out."""
    flat = cache.clone().flatten(0, 1)
    kept = slots >= 0
    flat[slots[kept].long()] = rows.view(len(rows), *flat.shape[1:])[kept]
    return flat.view_as(cache)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, interleaved: bool = False):
    """Turns the first channels of each head, `x` being `[tokens, heads, head]`, `cos` `[tokens, width / 2]`."""
    half = cos.shape[-1]
    cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
    turned, rest = x[..., : 2 * half], x[..., 2 * half :]
    if interleaved:
        a, b = turned[..., ::2], turned[..., 1::2]
        turned = torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(-2)
    else:
        a, b = turned[..., :half], turned[..., half:]
        turned = torch.cat([a * cos - b * sin, b * cos + a * sin], -1)
    return torch.cat([turned, rest], -1)


def paged_attention(
    query, key, value, key_cache, value_cache, cumulative, past, table, *,
    cos=None, sin=None, slots=None, scale=None, window=-1, softcap=0.0, interleaved=False,
):  # fmt: skip
    """Writes the new keys and values, then attends: the output and both caches."""
    size, kv_heads, head = key_cache.shape[1:]
    tokens, heads = len(query), query.shape[1] // head
    scale = scale or 1 / math.sqrt(head)
    lengths = cumulative.diff()
    where = torch.cat([past[b] + torch.arange(int(n)) for b, n in enumerate(lengths)])
    query, key = query.view(tokens, heads, head), key.view(tokens, kv_heads, head)
    if cos is not None:
        query = rotate(query, cos[where], sin[where], interleaved)
        key = rotate(key, cos[where], sin[where], interleaved)
    if slots is None:
        slots = slots_of(cumulative, past, table, size)
    key_cache, value_cache = write(key_cache, key, slots), write(value_cache, value, slots)
    out = torch.empty(tokens, heads, head, dtype=query.dtype)
    for b, n in enumerate(lengths):
        first, total = int(cumulative[b]), int(past[b] + n)
        blocks = table[b, : -(-total // size)].long()
        keys = key_cache[blocks].flatten(0, 1)[:total].repeat_interleave(heads // kv_heads, 1)
        values = value_cache[blocks].flatten(0, 1)[:total].repeat_interleave(heads // kv_heads, 1)
        rows = slice(first, first + int(n))
        scores = torch.einsum("qhd,khd->hqk", query[rows], keys) * scale
        if softcap > 0:
            scores = softcap * torch.tanh(scores / softcap)
        distance = (past[b] + torch.arange(int(n)))[:, None] - torch.arange(total)
        hidden = (distance < 0) | ((distance > window) if window >= 0 else torch.tensor(False))
        weights = scores.masked_fill(hidden, -torch.inf).softmax(-1)
        out[rows] = torch.einsum("hqk,khd->qhd", weights, values)
    return out.flatten(1), key_cache, value_cache
