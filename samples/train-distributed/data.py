"""Rows of tokens from text files, for the joined batch of all processes."""

import json
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

IGNORED = -100


def read_rows(files: list[Path], tokenizer: Tokenizer, length: int) -> list[np.ndarray]:
    """Rows of up to `length` ids: a line of a `.jsonl` is a row by its `text`, other files are text that is cut."""
    rows: list[np.ndarray] = []
    for file in files:
        if file.suffix == ".jsonl":
            lines = file.read_text(encoding="utf-8").splitlines()
            texts = [json.loads(line)["text"] for line in lines if line.strip()]
            rows += [np.array(tokenizer.encode(text).ids[:length]) for text in texts]
        else:
            ids = np.array(tokenizer.encode(file.read_text(encoding="utf-8")).ids)
            rows += [ids[at : at + length] for at in range(0, len(ids), length)]
    # One token has no next one to learn.
    return [row.astype(np.int64) for row in rows if len(row) > 1]


def batch_at(step: int, rows: list[np.ndarray], size: int, seed: int) -> list[np.ndarray]:
    """The rows of one step, numbered from 0: each epoch has an order of its own, the same in all processes."""
    per_epoch = -(-len(rows) // size)
    epoch, index = divmod(step, per_epoch)
    order = np.random.default_rng([seed, epoch]).permutation(len(rows))
    return [rows[i] for i in order[index * size : (index + 1) * size]]


def share_of(batch: list[np.ndarray], rank: int, world: int) -> list[np.ndarray]:
    """The rows of one process: every `world`-th. A small batch leaves some processes without any."""
    return batch[rank::world]


def padded(batch: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Token ids, mask and labels [rows, longest row], int64."""
    shape = (len(batch), max(len(row) for row in batch))
    ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    labels = np.full(shape, IGNORED, np.int64)
    for i, row in enumerate(batch):
        ids[i, : len(row)], mask[i, : len(row)], labels[i, : len(row)] = row, 1, row
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}
