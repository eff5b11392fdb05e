"""How many attention blocks do other tools' pattern matchers find?

For every model given on the command line, prints one line of JSON with the number of attention ops before and after

- onnxscript's `optimize_for_ort` (onnxscript.rewriter.ort_fusions), and
- onnxruntime's transformers optimizer (onnxruntime.transformers.optimizer, the best of its decoder model types).

An attention op is one that is attention by definition: Attention, MultiHeadAttention, GroupQueryAttention and their
kin. A model that a tool cannot read or fails on is reported with the error's first line.

Needs onnx, onnxscript, onnx-ir and onnxruntime from PyPI. `node bench/run.mjs fusions` runs it and adds tfc's column.
"""

import json
import logging
import os
import sys
import tempfile
import warnings

import onnx

ATTENTION = {
    "Attention",
    "MultiHeadAttention",
    "GroupQueryAttention",
    "DecoderMaskedMultiHeadAttention",
    "PagedAttention",
    "PackedMultiHeadAttention",
}
MODEL_TYPES = ["gpt2", "gpt_neox", "phi", "bert"]


def count(model: onnx.ModelProto) -> int:
    """Attention ops in the main graph and in functions."""
    nodes = list(model.graph.node) + [n for f in model.functions for n in f.node]
    return sum(node.op_type in ATTENTION for node in nodes)


def attempt(run) -> int | str:
    """The result of `run`, or the first line of what it failed with."""
    try:
        return run()
    except BaseException as error:  # noqa: BLE001 - other tools' failures are the finding
        return f"{type(error).__name__}: {error}".splitlines()[0][:120]


def with_onnxscript(path: str) -> int:
    import onnx_ir as ir
    from onnxscript.rewriter.ort_fusions import optimize_for_ort

    optimized = optimize_for_ort(ir.load(path))
    model = optimized[0] if isinstance(optimized, tuple) else optimized
    return count(ir.to_proto(model))


def with_onnxruntime(path: str) -> int:
    from onnxruntime.transformers import optimizer

    found = []
    for model_type in MODEL_TYPES:
        optimized = attempt(lambda: count(optimizer.optimize_model(path, model_type=model_type, opt_level=0).model))
        found.append(optimized)
    counts = [n for n in found if isinstance(n, int)]
    if not counts:
        raise RuntimeError(found[0])
    return max(counts)


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    out = os.dup(1)
    # Both tools print as they work: keep the answer's channel to ourselves.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.chdir(tempfile.gettempdir())
    for path in sys.argv[1:]:
        row = {
            "model": path,
            "before": attempt(lambda: count(onnx.load(path, load_external_data=False))),
            "onnxscript": attempt(lambda: with_onnxscript(path)),
            "onnxruntime": attempt(lambda: with_onnxruntime(path)),
        }
        os.write(out, (json.dumps(row) + "\n").encode())


if __name__ == "__main__":
    main()
