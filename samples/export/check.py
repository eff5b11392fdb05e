"""Check exported graphs against the oracle with the ONNX checker and onnxruntime.

    python check.py ../models/austen-llama dynamo torchscript
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file

TOLERANCE = 1e-4


def largest_difference(session, steps: list[dict]) -> float:
    """Run the steps of a case one after another; compare logits where a token is attended."""
    names = [i.name for i in session.get_inputs() if i.name.startswith("past_key_values.")]
    _, kv_heads, _, head_size = session.get_inputs()[-1].shape
    batch = len(steps[0]["input_ids"])
    cache = dict.fromkeys(names, np.zeros((batch, kv_heads, 0, head_size), np.float32))
    outputs = [o.name for o in session.get_outputs()]
    worst = 0.0
    for step in steps:
        expected = step.pop("logits")
        result = dict(zip(outputs, session.run(None, step | cache)))
        cache = {name: result[name.replace("past_key_values", "present")] for name in names}
        attended = step["attention_mask"][:, -expected.shape[1] :] == 1
        worst = max(worst, np.abs(result["logits"] - expected)[attended].max())
    return float(worst)


def check(path: Path, cases: dict[str, list[dict]]) -> None:
    """Check one graph and print what it is made of."""
    onnx.checker.check_model(path, full_check=True)
    graph = onnx.load(path, load_external_data=False).graph
    counts = Counter(node.op_type for node in graph.node).most_common()
    print(f"{path}: {len(graph.node)} nodes:", ", ".join(f"{op} {n}" for op, n in counts))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for name, steps in cases.items():
        difference = largest_difference(session, [dict(step) for step in steps])
        print(f"  {name}: largest difference {difference:.1e}")
        assert difference < TOLERANCE, f"{path}: {name} differs by {difference}"


def main() -> None:
    """Check the named exports of a model folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("exports", nargs="+")
    options = parser.parse_args()
    tensors = load_file(options.model / "oracle.safetensors")
    cases = {}
    for name, about in json.loads((options.model / "oracle.json").read_text())["cases"].items():
        cases[name] = [
            {
                part: tensors[f"{name}.{i}.{part}"]
                for part in ("input_ids", "attention_mask", "position_ids", "logits")
            }
            for i in range(len(about["step_lengths"]))
        ]
    for export in options.exports:
        check(options.model / export / "model.onnx", cases)


if __name__ == "__main__":
    main()
