"""Record losses and gradients of adapters on weights in few bits, in float64 by torch.autograd.

    python compiled_training_oracle.py ../../test/models/train-oracle-bits.json

Of the sample model, whose linears, the head among them, are what onnxruntime's own quantizer makes of them: blocks of 32
inputs with a scale and a zero point each. LoRA beside two projections and ScalarLM's adapter beside each MLP, as in
`family_training_oracle.py`; the batch is that of `adapter_training_oracle.py`.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import transformers
from adapter_training_oracle import LENGTH, lines, step
from family_training_oracle import beside_all
from generate_models import AUSTEN
from nbits_oracle import quantized
from peft_adapters import base_model
from training.adapters import Adapters
from training.precise import doubled
from training.record import as_lists, batch_of

SAMPLES, BLOCK = 24, 32
BITS = (4, 8)


def dequantized(weight: np.ndarray, bits: int) -> np.ndarray:
    """What is left of a weight `[in, out]` of float32."""
    packed, scales, zeros = quantized(weight, bits, BLOCK, False)
    inputs, outputs = weight.shape
    blocks = -(-inputs // BLOCK)
    codes = unpacked(packed, bits).reshape(outputs, blocks, BLOCK)
    scale = np.frombuffer(scales, np.float32).reshape(outputs, blocks, 1).astype(np.float64)
    zero = unpacked(zeros, bits).reshape(outputs, -1)[:, :blocks, None]
    return ((codes - zero) * scale).reshape(outputs, -1)[:, :inputs].T


def unpacked(data: bytes, bits: int) -> np.ndarray:
    """Numbers of a byte, of which the low half comes first."""
    stored = np.frombuffer(data, np.uint8)
    return (stored if bits == 8 else np.stack([stored & 15, stored >> 4], -1).reshape(-1)).astype(np.float64)


def in_bits(bits: int) -> torch.nn.Module:
    """The sample with quantized linears. Its embeddings, which the head shares, stay as they are."""
    model = base_model(AUSTEN)
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    linears = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    exact = [m.weight.detach().float().numpy().T.copy() for m in linears]
    model = doubled(model)
    for linear, weight in zip(linears, exact):
        linear.weight.data = torch.from_numpy(dequantized(weight, bits).T.copy())
    return model


def main() -> None:
    """Record each width."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    batch = batch_of(torch.Generator().manual_seed(12), 2048, LENGTH)
    kinds = {}
    for bits in BITS:
        adapters = beside_all(Adapters(in_bits(bits)))
        kinds[f"int{bits}"] = step((adapters.model, adapters.leaves), batch, SAMPLES)
        print(f"int{bits}: loss {kinds[f'int{bits}']['loss']}")
    recorded = {
        "about": "Losses and gradients by torch.autograd in float64; see samples/export/compiled_training_oracle.py.",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "samples": SAMPLES,
        "batch": as_lists(batch),
    }
    head = ",\n".join(f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in recorded.items())
    options.out.write_text(f'{{\n{head},\n"kinds":{lines(kinds)}\n}}\n')


if __name__ == "__main__":
    main()
