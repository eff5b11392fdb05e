"""Record what paged attention computes, for the tests of its lowering.

    python paged_oracle.py ../../test/models/vllm/paged.safetensors

A case is one call: tensors are named `{case}.{operand}`, results `{case}.{output,key_cache_out,value_cache_out}`,
attributes are in the file's metadata, as JSON.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from paged_attention import paged_attention, slots_of

HEAD, BLOCKS, SIZE, POSITIONS = 4, 10, 4, 16
# Sequences are (past, new): a prompt that ends with a block, a step that begins one, an empty one, a chunk over three.
MIXED = [(0, 4), (4, 1), (2, 0), (3, 6)]
TABLE = [[6, 0, 0], [9, 2, 0], [1, 0, 0], [3, 8, 5]]


def case(seed, heads, kv_heads, sequences, *, packed=False, rotary=0, interleaved=False, skip=(), **options):
    """Operands, results and attributes of one call; `skip` are tokens that are not written."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(shape, generator=generator)

    past = torch.tensor([p for p, _ in sequences])
    cumulative = torch.tensor([0, *(n for _, n in sequences)]).cumsum(0)
    table = torch.tensor(TABLE[: len(sequences)])
    tokens = int(cumulative[-1])
    query, key, value = (random(tokens, n * HEAD) for n in (heads, kv_heads, kv_heads))
    caches = {f"{part}_cache": random(BLOCKS, SIZE, kv_heads, HEAD) for part in ("key", "value")}
    # Nothing may be read from a block that no sequence has.
    for cache in caches.values():
        cache[7] = torch.nan
    extra = {}
    if rotary:
        angles = random(POSITIONS, rotary)
        extra |= {"cos_cache": angles.cos(), "sin_cache": angles.sin()}
    if skip:
        extra["slot_mapping"] = slots_of(cumulative, past, table, SIZE).long()
        extra["slot_mapping"][list(skip)] = -1
    results = paged_attention(
        query, key, value, *caches.values(), cumulative, past, table,
        cos=extra.get("cos_cache"), sin=extra.get("sin_cache"), slots=extra.get("slot_mapping"),
        interleaved=interleaved, **options,
    )  # fmt: skip
    operands = {
        **({"query": torch.cat([query, key, value], 1)} if packed else dict(query=query, key=key, value=value)),
        **caches,
        "cumulative_sequence_length": cumulative,
        "past_seqlens": past,
        "block_table": table,
        **extra,
    }
    names = {"window": "local_window_size"}
    attributes = {
        "num_heads": heads,
        "kv_num_heads": kv_heads,
        **({"do_rotary": 1} if rotary else {}),
        **({"rotary_interleaved": 1} if interleaved else {}),
        **{names.get(name, name): value for name, value in options.items()},
    }
    outputs = dict(zip(("output", "key_cache_out", "value_cache_out"), results))
    return operands | outputs, attributes


def main() -> None:
    """Record every case into the file given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    cases = {
        "prefill": case(0, 2, 2, [(0, 5)]),
        "decode": case(1, 2, 2, [(3, 1), (4, 1), (0, 1)]),
        "mixed": case(2, 2, 2, MIXED),
        "grouped": case(3, 6, 2, MIXED, scale=0.75),
        "packed": case(4, 4, 2, MIXED, packed=True),
        "rotary": case(5, 4, 2, MIXED, rotary=2),
        "partial_rotary": case(6, 4, 1, MIXED, packed=True, rotary=1),
        "interleaved": case(7, 4, 2, MIXED, rotary=2, interleaved=True),
        "window": case(8, 4, 2, MIXED, window=2),
        "softcap": case(9, 4, 2, MIXED, softcap=1.5),
        "slots": case(10, 4, 2, MIXED, skip=(1, 4)),
    }
    tensors = {f"{name}.{part}": t.contiguous() for name, (parts, _) in cases.items() for part, t in parts.items()}
    metadata = {name: json.dumps(attributes) for name, (_, attributes) in cases.items()}
    save_file(tensors, parser.parse_args().out, metadata)


if __name__ == "__main__":
    main()
