"""What is recorded of a training step: the loss, and of each gradient its size and some elements."""

import base64

import numpy as np
import torch
from generate_models import numbers

IGNORED = -100


def places(name: str, size: int, count: int) -> list[int]:
    """Where elements of a gradient are recorded: seeded with its name; all of a small one."""
    if size <= count:
        return list(range(size))
    return [int((x + 0.5) * size) for x in numbers(f"{name} at", torch.Size([count])).double().tolist()]


def of_gradient(name: str, gradient: torch.Tensor, count: int) -> dict:
    """The largest element's size, the sum, the norm, and elements as float32 in base64."""
    flat = gradient.detach().double().reshape(-1)
    some = flat[places(name, flat.numel(), count)].float().numpy()
    return {
        "shape": list(gradient.shape),
        "max": rounded(flat.abs().max().item()),
        "sum": rounded(flat.sum().item()),
        "norm": rounded(flat.norm().item()),
        "some": base64.b64encode(np.ascontiguousarray(some, "<f4").tobytes()).decode(),
    }


def rounded(value: float) -> float:
    return float(f"{value:.9g}")


def batch_of(generator: torch.Generator, vocabulary: int, length: int) -> dict[str, torch.Tensor]:
    """Four rows: whole, padded on the left, padded on the right, and one of which only the end is judged."""
    ids = torch.randint(3, vocabulary, (4, length), generator=generator)
    mask = torch.ones_like(ids)
    mask[1, :3] = 0
    mask[2, -2:] = 0
    ids = torch.where(mask == 1, ids, 0)
    labels = torch.where(mask == 1, ids, IGNORED)
    labels[3, : length - 3] = IGNORED
    labels[0, 2] = IGNORED
    # The first token behind padding: what precedes it is none, and attention from there is defined by nobody.
    labels[1, 3] = IGNORED
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def on_the_right(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same rows with padding on the right only: there nobody differs about what padding attends to."""
    tensors = {name: tensor.clone() for name, tensor in batch.items()}
    for name, tensor in tensors.items():
        tensor[1] = batch[name][1].roll(-3)
    tensors["labels"][1, 0] = tensors["input_ids"][1, 0]
    return tensors


def as_lists(batch: dict[str, torch.Tensor]) -> dict[str, list]:
    return {name: tensor.tolist() for name, tensor in batch.items()}


def judged(labels: torch.Tensor) -> int:
    """How many labels count: the first of a row is of no position."""
    return int((labels[:, 1:] != IGNORED).sum())
