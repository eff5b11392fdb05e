"""Compare the results of cases with onnxruntime's."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import onnxruntime

TYPES = {
    "float": np.float32,
    "double": np.float64,
    "float16": np.float16,
    "int64": np.int64,
    "int32": np.int32,
    "bool": np.bool_,
    "uint8": np.uint8,
    "int8": np.int8,
}


def array(given: dict) -> np.ndarray:
    """The numbers of an input."""
    kind = TYPES[given["dtype"]]
    as_number = int if given["dtype"].startswith("int") else float
    return np.array([as_number(v) for v in given["values"]], kind).reshape(given["shape"])


def model_of(case: dict) -> onnx.ModelProto:
    """The graph of a case, with every input given when it is run."""
    inputs = ", ".join(
        f"{i['dtype']}[{','.join(map(str, i['shape']))}] i{k}" for k, i in enumerate(case["inputs"]) if i is not None
    )
    opset = case.get("opset", 21)
    return onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: ["" : {opset}, "com.microsoft" : 1]>\n'
        f"case ({inputs}) => () {{\n  {case['body']}\n}}"
    )


def check(file: Path) -> None:
    """Run each case of a file; say which differ."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    for case in json.loads(file.read_text())["cases"]:
        try:
            model = model_of(case)
            wanted = {f"o{k}": o for k, o in enumerate(case["outputs"]) if o is not None}
            for name in wanted:
                model.graph.output.append(onnx.ValueInfoProto(name=name))
            feeds = {f"i{k}": array(i) for k, i in enumerate(case["inputs"]) if i is not None}
            constants = {n for k, i in enumerate(case["inputs"]) if i is not None and i.get("constant") for n in [f"i{k}"]}
            for name in constants:
                model.graph.initializer.append(onnx.numpy_helper.from_array(feeds.pop(name), name))
            kept = [i for i in model.graph.input if i.name not in constants]
            del model.graph.input[:]
            model.graph.input.extend(kept)
            session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
            results = session.run(list(wanted), feeds)
        except Exception as error:  # noqa: BLE001
            print(f"  {case['name']}: does not run: {str(error)[:200]}")
            continue
        half = any(i is not None and i["dtype"] == "float16" for i in case["inputs"])
        for got, (name, want) in zip(results, wanted.items()):
            numbers = np.array([float(v) for v in want["values"]])
            if list(got.shape) != want["shape"]:
                print(f"  {case['name']}: {name} is {list(got.shape)}, wanted {want['shape']}")
            elif not np.allclose(got.reshape(-1).astype(float), numbers, rtol=4e-3 if half else 1e-5, atol=4e-3 if half else 1e-5):
                print(f"  {case['name']}: {name} is {got.reshape(-1)}, wanted {numbers}")
