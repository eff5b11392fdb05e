"""Check exports with the ONNX checker and, in onnxruntime, against PyTorch.

    python family_check.py                      # every export that is there
    python family_check.py llama2-dynamo        # some of them

Each graph sees a batch of two rows twice: five tokens on an empty cache, and
five after a past of three, which the graph computed itself.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from transformers.cache_utils import DynamicCache

import family_models
from family_exports import EXPORTS, Export

HERE = Path(__file__).resolve().parent
BATCH, LENGTH, PAST = 2, 5, 3
TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


def tokens() -> torch.Tensor:
    """The same token ids each time."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(3, family_models.VOCABULARY, (BATCH, PAST + LENGTH), generator=generator)


@torch.no_grad()
def expected(family: str, wide_heads: bool) -> dict[int, np.ndarray]:
    """PyTorch's logits of five tokens in float32, by the length of the past before them."""
    model, ids = family_models.build(family, wide_heads=wide_heads), tokens()
    logits = {0: model(input_ids=ids[:, :LENGTH]).logits}
    cache = DynamicCache(config=model.config)
    model(input_ids=ids[:, :PAST], past_key_values=cache, use_cache=True)
    logits[PAST] = model(input_ids=ids[:, PAST:], past_key_values=cache, use_cache=True).logits
    return {past: value.numpy() for past, value in logits.items()}


class Runner:
    """Runs a graph, whatever its inputs are called, and carries its cache along."""

    def __init__(self, path: Path, head_dim: int):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        self.inputs = self.session.get_inputs()
        self.outputs = [output.name for output in self.session.get_outputs()]
        self.past = 0
        operators = {node.op_type for node in onnx.load(path).graph.node}
        # On the CPU it takes several tokens after a past for a batch of one only.
        self.longest = 1 if "GroupQueryAttention" in operators else LENGTH
        self.cache = {
            i.name: self.empty(i, head_dim)
            for i in self.inputs
            if "past" in i.name or "_cache." in i.name
        }

    def empty(self, value, head_dim: int) -> np.ndarray:
        """An empty cache; one of fixed length is all zeros.

        Its last dimension may be symbolic, as that of onnxruntime-genai is.
        """
        _, *middle, last = (int(d) if str(d).isdigit() else None for d in value.shape)
        shape = [BATCH, *(size or 0 for size in middle), last or head_dim]
        return np.zeros(shape, TYPES[value.type])

    def step(self, ids: np.ndarray) -> np.ndarray:
        """The logits of `ids` after everything that came before them."""
        rows, length = ids.shape
        total = self.past + length
        known = {
            "input_ids": ids,
            "attention_mask": np.ones((rows, total)),
            "position_ids": np.tile(np.arange(self.past, total), (rows, 1)),
            "write_indices": np.full(rows, self.past),
            "nonpad_kv_seqlen": np.full(rows, total),
        }
        feeds = {
            i.name: known[i.name].astype(TYPES[i.type]) for i in self.inputs if i.name in known
        }
        result = dict(zip(self.outputs, self.session.run(None, feeds | self.cache)))
        for name in self.cache:
            for new in (
                name.replace("past_key_values", "present"),
                name.replace("past.", "present."),
                name.replace("input.", "output."),
                f"updated_{name}",
            ):
                if new in result:
                    self.cache[name] = result[new]
        self.past = total
        return result["logits"].astype(np.float32)


def check_form(path: Path) -> None:
    """Run the ONNX checker.

    onnxruntime-genai writes SimplifiedLayerNormalization into the standard
    domain, where the checker does not know it, and gives a constant a wrong
    rank: its graphs are looked at without the first, and without inference.
    """
    model = onnx.load(path)
    norms = [node for node in model.graph.node if node.op_type == "SimplifiedLayerNormalization"]
    for node in norms:
        node.domain = "com.microsoft"
    onnx.checker.check_model(model, full_check=model.producer_name != "onnxruntime-genai")


def check(path: Path, export: Export) -> float | None:
    """The largest difference of the logits, or nothing where the CPU cannot run the graph."""
    check_form(path)
    if not export.runs_on_cpu:
        return None
    ids, wanted = tokens().numpy(), expected(export.family, export.wide_heads)
    head_dim = 16 if export.wide_heads else 8
    first, second = Runner(path, head_dim), Runner(path, head_dim)
    second.step(ids[:, :PAST])
    end = PAST + second.longest
    return max(
        np.abs(first.step(ids[:, :LENGTH]) - wanted[0]).max(),
        np.abs(second.step(ids[:, PAST:end]) - wanted[PAST][:, : second.longest]).max(),
    )


def main() -> int:
    """Check the exports that are there; say how far each is from PyTorch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", nargs="*", help="default: all")
    parser.add_argument("--folder", type=Path, default=HERE.parent / "models")
    options = parser.parse_args()
    torch.set_num_threads(1)
    failed = 0
    for export in EXPORTS:
        path = options.folder / export.folder / export.name / "model.onnx"
        if options.export and export.name not in options.export or not path.exists():
            continue
        try:
            difference = check(path, export)
        except Exception as error:
            print(f"{export.name}: {type(error).__name__}: {str(error)[:600]}")
            failed += 1
            continue
        if difference is None:
            print(f"{export.name}: passes the checker; not run")
        else:
            good = difference < export.tolerance
            print(f"{export.name}: {difference:.1e}{'' if good else ', too much'}", flush=True)
            failed += not good
    return failed


if __name__ == "__main__":
    sys.exit(main())
