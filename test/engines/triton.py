"""
Checks packages of `tfc package --triton` without a Triton server:

- each config.pbtxt is read by NVIDIA's own schema (tritonclient's model_config_pb2);
- it agrees with the graph as onnxruntime has it, by the rules that Triton's onnxruntime backend checks when it loads a
  model: as many inputs, equal types, dims equal where they are known, and in outputs everywhere;
- for shared caches the state of a sequence is played: inputs and outputs are what a request carries, the state begins
  and goes on as the configuration says, and the greedy tokens are those of the graph before tfc touched it.

    npm run build
    python -m venv triton && triton/bin/pip install 'tritonclient[grpc]' onnxruntime numpy
    triton/bin/python test/engines/triton.py [PART OF A CASE'S NAME …]
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

sys.path.insert(0, str(Path(__file__).parent))
from tfc import AUSTEN, SAMPLES, greedy_by_onnxruntime, tfc  # noqa: E402

ort.set_default_logger_severity(4)

TYPES = {
    "tensor(bool)": "TYPE_BOOL",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(float16)": "TYPE_FP16",
    "tensor(float)": "TYPE_FP32",
    "tensor(bfloat16)": "TYPE_BF16",
}
NUMPY = {"TYPE_INT32": np.int32, "TYPE_INT64": np.int64, "TYPE_FP16": np.float16, "TYPE_FP32": np.float32}


def type_name(number):
    return pb.DataType.Name(number)


def check_tensor(one, port, batched, exact):
    assert type_name(one.data_type) == TYPES[port.type], (one.name, type_name(one.data_type), port.type)
    assert len(one.dims) > 0 and all(d == -1 or d >= 1 for d in one.dims), (one.name, list(one.dims))
    dims = list(one.reshape.shape) if one.HasField("reshape") else list(one.dims)
    shape = [d if isinstance(d, int) else -1 for d in port.shape]
    if not shape:
        assert not batched and all(d == 1 for d in one.dims), one.name
        return
    full = ([-1] if batched else []) + dims
    assert len(full) == len(shape), (one.name, full, shape)
    assert not batched or shape[0] == -1, (one.name, shape)
    for wanted, found in zip(shape, full):
        assert wanted == found or (wanted == -1 and not exact), (one.name, shape, full)


def check(folder):
    config = pb.ModelConfig()
    text_format.Parse((folder / "config.pbtxt").read_text(), config)
    session = ort.InferenceSession(str(folder / "1" / "model.onnx"), providers=["CPUExecutionProvider"])
    inputs = {port.name: port for port in session.get_inputs()}
    outputs = {port.name: port for port in session.get_outputs()}
    states = list(config.sequence_batching.state)
    batched = config.max_batch_size > 0
    assert config.backend == "onnxruntime" and config.name == folder.name
    assert len(inputs) == len(config.input) + len(states), "as many inputs as the model has"
    for one in config.input:
        check_tensor(one, inputs[one.name], batched, exact=False)
    for one in config.output:
        check_tensor(one, outputs[one.name], batched, exact=True)
    for state in states:
        past, present = inputs[state.input_name], outputs[state.output_name]
        lead = 1 if batched else 0
        assert type_name(state.data_type) == TYPES[past.type] == TYPES[present.type]
        assert list(state.dims) == past.shape[lead:] == present.shape[lead:], (state.input_name, past.shape)
        (initial,) = state.initial_state
        assert initial.name and initial.zero_data and initial.data_type == state.data_type
        assert list(initial.dims) == list(state.dims)
    return config, session


def play(config, session, rows, new):
    """Sequences of one length, as Triton joins them to a batch: what a request carries, and what Triton keeps."""
    state = {
        s.input_name: np.zeros([len(rows), *s.initial_state[0].dims], NUMPY[type_name(s.data_type)])
        for s in config.sequence_batching.state
    }
    outputs = [o.name for o in config.output] + [s.output_name for s in config.sequence_batching.state]
    fed, made, total = np.array(rows), [[] for _ in rows], 0
    while len(made[0]) < new:
        total += fed.shape[1]
        request = {}
        for one in config.input:
            whole = NUMPY[type_name(one.data_type)]
            if "mask" in one.name:
                request[one.name] = np.ones((len(rows), total), whole)
            elif "position" in one.name:
                request[one.name] = np.tile(np.arange(total - fed.shape[1], total, dtype=whole), (len(rows), 1))
            elif one.name == "logits_indices":
                request[one.name] = np.full((len(rows), 1), -1, whole)
            else:
                request[one.name] = fed.astype(whole)
        results = dict(zip(outputs, session.run(outputs, {**request, **state})))
        state = {s.input_name: results[s.output_name] for s in config.sequence_batching.state}
        fed = np.argmax(results["logits"][:, -1].astype(np.float32), -1)[:, None]
        for row, (token,) in zip(made, fed.tolist()):
            row.append(token)
    return made


def main():
    parts = sys.argv[1:]
    failed = 0
    for name, base, flags in cases():
        if parts and not any(part in name for part in parts):
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                path = base
                if flags is not None:
                    path = Path(folder) / "compiled" / "model.onnx"
                    tfc("compile", base, "-o", path, *flags)
                tfc("package", path, "--triton", Path(folder) / "repository", "--name", "one")
                config, session = check(Path(folder) / "repository" / "one")
                kept = "agrees"
                if len(config.sequence_batching.state) > 0 and "mask" in str(config.input):
                    rows = [[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]]
                    wanted = greedy_by_onnxruntime(base, rows, new=12)
                    got = play(config, session, rows, 12)
                    assert got == wanted, (got, wanted)
                    kept = "agrees, equal tokens"
                print(f"{kept:20}  {name}", flush=True)
            except Exception as error:
                unloaded = "implementation for" in str(error) or "INVALID_GRAPH" in str(error)
                failed += 0 if unloaded else 1
                print(f"{'no CPU kernel' if unloaded else 'FAILED':20}  {name}: {str(error)[:300]}", flush=True)
    sys.exit(1 if failed else 0)


def cases():
    shared = ["--no-adapters", "--for", "cpu", "--kv", "shared", "--max-length", "64"]
    forms = {
        "as exported": None,
        "adapters": ["--rank", "4"],
        "adapters as inputs": ["--adapters", "inputs"],
        "adapters as optional inputs": ["--adapters", "optional-inputs"],
        "bank": ["--adapters", "bank", "--members", "2"],
        "for cpu": ["--no-adapters", "--for", "cpu"],
        "kv shared": shared,
        "kv shared, last logits": [*shared, "--last-logits"],
        "kv shared, logit rows": [*shared, "--logit-rows"],
        "last logits": ["--no-adapters", "--last-logits"],
        "logit rows": ["--no-adapters", "--logit-rows"],
        "fp16": ["--no-adapters", "--dtype", "fp16"],
        "int4": ["--no-adapters", "--quantize", "int4"],
    }
    for style in ("dynamo", "torchscript"):
        for form, flags in forms.items():
            yield f"austen {style}, {form}", AUSTEN / style / "model.onnx", flags
    for folder in sorted([*(SAMPLES / "families").iterdir(), *(SAMPLES / "new-families").iterdir()]):
        if (folder / "model.onnx").exists():
            yield f"{folder.name}, as exported", folder / "model.onnx", None


if __name__ == "__main__":
    main()
