"""Print compiler/ops/kernels/kernels-data.ts: which kernels onnxruntime's CPU and CUDA providers have.

    python scripts/make-kernels.py > compiler/ops/kernels/kernels-data.ts

Asks an onnxruntime-gpu whose CUDA provider loads: on a machine with CUDA, or with libraries that stand in for it.
onnxruntime asks its TensorRT provider, too, which must load (a libnvinfer and a libnvonnxparser without content do).

One line an op, its parts apart by " | ", behind its name:

1. Signatures: `since,since:inputs>outputs`, newest last, apart by "; ". An operand is the name of a type parameter, or
   `=` and one type; `*` is behind one that stands for any number of operands.
2. Kernels of the CPU, `first-last:T=set T1=set`, apart by "; ": the versions of the op (as in "since"), and which types
   they take, by type parameter.
3. Kernels of CUDA alike.
4. Operands that CUDA's kernels read from and write to the CPU's memory: `1,2>0`. Found by experiment: onnxruntime
   inserts a copy there.
"""

import collections
import itertools
import json
import os
import sys
import tempfile

import onnx
import onnxruntime as ort
from onnx import TensorProto, helper
from onnxruntime.capi import onnxruntime_pybind11_state as state

LETTERS = {
    "float": "f", "float16": "h", "bfloat16": "b", "double": "d", "int64": "l", "int32": "i", "int16": "s",
    "int8": "c", "uint64": "L", "uint32": "I", "uint16": "S", "uint8": "C", "bool": "B", "string": "t",
    "float8e4m3fn": "1", "float8e4m3fnuz": "2", "float8e5m2": "3", "float8e5m2fnuz": "4", "float4e2m1": "5",
    "int4": "6", "uint4": "7", "int2": "8", "uint2": "9", "complex64": "x", "complex128": "X", "float8e8m0": "0",
}  # fmt: skip
OPEN = 2**31 - 1
PROVIDERS = {"CPUExecutionProvider": "cpu", "CUDAExecutionProvider": "cuda"}
DOMAINS = ("", "com.microsoft")
NEWEST = 25  # the newest opset that this onnxruntime knows as released


def letter(type_text: str) -> str:
    """The letter of `tensor(float)`; `q`, `o` and `m` of any sequence, optional and map."""
    kind, _, rest = type_text.partition("(")
    return {"seq": "q", "optional": "o", "map": "m"}.get(kind) or LETTERS.get(rest[:-1], "")


def letters(types) -> str:
    """A set of types as sorted letters."""
    return "".join(sorted({letter(one) for one in types} - {""}))


class Kernel:
    """Kernels of an op that take the same versions, and the types they take by type parameter."""

    def __init__(self, first: int, last: int, types: dict[str, str]) -> None:
        self.first, self.last, self.types = first, last, types

    def joined(self, other: "Kernel"):
        """One for both, where they differ in one thing only; else None."""
        same = self.types == other.types
        if same and other.first <= self.last + 1 and self.first <= other.last + 1:
            return Kernel(min(self.first, other.first), max(self.last, other.last), self.types)
        if (self.first, self.last) != (other.first, other.last) or self.types.keys() != other.types.keys():
            return None
        differing = [name for name in self.types if self.types[name] != other.types[name]]
        if len(differing) != 1:
            return None
        (name,) = differing
        return Kernel(self.first, self.last, {**self.types, name: "".join(sorted({*self.types[name], *other.types[name]}))})


def joined(kernels: list[Kernel]) -> list[Kernel]:
    """As few kernels as possible that take the same."""
    found = True
    while found:
        found = False
        for i, one in enumerate(kernels):
            for j in range(i):
                both = kernels[j].joined(one)
                if both is not None:
                    kernels = [kernel for k, kernel in enumerate(kernels) if k not in (i, j)] + [both]
                    found = True
                    break
            if found:
                break
    return sorted(kernels, key=lambda kernel: (kernel.first, kernel.last, sorted(kernel.types.items())))


def operand(parameter) -> str:
    """One operand of a signature."""
    text = parameter.typeStr
    fixed = "(" in text
    return (f"={letter(text)}" if fixed else text) + ("*" if str(parameter.option).endswith("Variadic") else "")


def signatures(schemas) -> str:
    """The signatures of an op; versions with the same one after another stand together."""
    rows: list[tuple[list[int], str]] = []
    for schema in sorted(schemas, key=lambda one: one.since_version):
        text = ",".join(map(operand, schema.inputs)) + ">" + ",".join(map(operand, schema.outputs))
        if rows and rows[-1][1] == text:
            rows[-1][0].append(schema.since_version)
        else:
            rows.append(([schema.since_version], text))
    return "; ".join(f"{','.join(map(str, since))}:{text}" for since, text in rows)


def body(inputs: list[tuple[str, int]], nodes, outputs: list[tuple[str, int]]):
    """A graph inside a node."""
    infos = [[helper.make_tensor_value_info(name, kind, None) for name, kind in values] for values in (inputs, outputs)]
    return helper.make_graph(nodes, "body", *infos)


def graph_attributes(op: str) -> dict:
    """Attributes of ops that hold graphs."""
    constant = helper.make_node("Constant", [], ["c"], value_float=1.0)
    if op == "If":
        branch = body([], [constant], [("c", TensorProto.FLOAT)])
        return {"then_branch": branch, "else_branch": branch}
    same = [helper.make_node("Identity", ["s"], ["t"]), helper.make_node("Identity", ["s"], ["u"])]
    state_values, results = [("s", TensorProto.FLOAT)], [("t", TensorProto.FLOAT), ("u", TensorProto.FLOAT)]
    if op == "Loop":
        condition = helper.make_node("Identity", ["go"], ["on"])
        counters = [("at", TensorProto.INT64), ("go", TensorProto.BOOL)]
        return {"body": body([*counters, *state_values], [condition, same[0]], [("on", TensorProto.BOOL), results[0]])}
    scanned = [helper.make_node("Identity", ["s"], ["t"]), helper.make_node("Identity", ["v"], ["u"])]
    return {"body": body([*state_values, ("v", TensorProto.FLOAT)], scanned, results), "num_scan_inputs": 1}


ARITY = {"If": (1, 1), "Loop": (3, 1), "Scan": (2, 2)}


class Probe:
    """A model of one op, each operand handed through on CUDA, and what onnxruntime makes of it."""

    def __init__(self, domain: str, op: str, opset: int, schema, types, least: bool, number: int) -> None:
        self.domain, self.op, self.opset, self.schema = domain, op, opset, schema
        self.types, self.least, self.number = types, least, number

    def element(self, parameter) -> int:
        """A type that the kernel takes, as TensorProto numbers it."""
        allowed = {one.type_param_str: letters(one.allowed_type_strs) for one in self.schema.type_constraints}
        text = parameter.typeStr
        own = letter(text) if "(" in text else self.types.get(text) or allowed.get(text, "f")
        name = next(name for name, one in LETTERS.items() if one in own)  # floats before others
        return TensorProto.DataType.Value(name.upper())

    def parameters(self, parameters, arity: int | None):
        """The operands that the model gives; None in place of one that it leaves out."""
        if arity is not None:
            return (list(parameters) + [parameters[-1]] * arity)[:arity]
        return [None if self.least and str(one.option).endswith("Optional") else one for one in parameters]

    def attributes(self) -> dict:
        """Something for each attribute that must be there."""
        if self.op in ARITY:
            return graph_attributes(self.op)
        values = {"INT": self.number, "FLOAT": 1.0, "STRING": "", "INTS": [0], "FLOATS": [1.0], "STRINGS": [""]}
        required = [(name, str(one.type).split(".")[-1]) for name, one in self.schema.attributes.items() if one.required]
        return {name: values[kind] for name, kind in required}

    def model(self) -> onnx.ModelProto:
        """The model."""
        arity = ARITY.get(self.op, (None, None))
        inputs = self.parameters(self.schema.inputs, arity[0])
        outputs = self.parameters(self.schema.outputs, arity[1])
        fixed = {"If": [9], "Loop": [7, 9, 1], "Scan": [1, 1]}.get(self.op)
        kinds = dict(enumerate(fixed)) if fixed else {i: self.element(one) for i, one in enumerate(inputs) if one}
        results = [i for i, one in enumerate(outputs) if one]
        nodes = [helper.make_node("Identity", [f"g{i}"], [f"i{i}"], name=f"before{i}") for i in kinds]
        names = [
            [f"{side}{i}" if i in given else "" for i in range(max(given, default=-1) + 1)]
            for side, given in (("i", kinds), ("o", results))
        ]
        nodes.append(helper.make_node(self.op, *names, name="probed", domain=self.domain, **self.attributes()))
        nodes += [helper.make_node("Identity", [f"o{i}"], [f"r{i}"], name=f"after{i}") for i in results]
        graph = helper.make_graph(
            nodes, "probe",
            [helper.make_tensor_value_info(f"g{i}", kind, None) for i, kind in kinds.items()],
            [helper.make_empty_tensor_value_info(f"r{i}") for i in results],
        )  # fmt: skip
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    def run(self) -> tuple[set[int], set[int]] | None:
        """Operands and results in the CPU's memory; None where onnxruntime does not take the model."""
        with tempfile.TemporaryDirectory() as folder:
            options = ort.SessionOptions()
            options.log_severity_level = 4
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
            options.optimized_model_filepath = os.path.join(folder, "probe.onnx")
            content, parts = self.model().SerializeToString(), []
            try:
                session = ort.InferenceSession(content, options, providers=[*PROVIDERS][::-1])
                parts = session.get_provider_graph_assignment_info()
            except Exception:  # of any kind: a kernel may refuse its attributes when the model is written already
                if not os.path.exists(options.optimized_model_filepath):
                    return None
            on_cpu = {n.name for part in parts if part.ep_name.startswith("CPU") for n in part.get_nodes()}
            nodes = onnx.load(options.optimized_model_filepath).graph.node
        if "probed" in on_cpu:
            return None
        (probed,) = [node for node in nodes if node.name == "probed"]
        copied = {name for node in nodes if node.op_type == "MemcpyToHost" for name in node.output}
        returned = {name for node in nodes if node.op_type == "MemcpyFromHost" for name in node.input}
        inputs = {i for i, name in enumerate(probed.input) if name in copied}
        outputs = {i for i, name in enumerate(probed.output) if name in returned or f"after{i}" in on_cpu}
        return inputs, outputs


def host_memory(domain: str, op: str, kernels: list[Kernel], schemas) -> str:
    """`1,2>0` of an op, as the first model tells that onnxruntime takes; empty where all is on the device."""
    for kernel in reversed(kernels):
        newest = max((one.since_version for one in schemas if one.since_version <= kernel.last), default=None)
        if newest is None:
            continue
        schema = next(one for one in schemas if one.since_version == newest)
        later = min((one.since_version for one in schemas if one.since_version > newest), default=NEWEST + 1)
        opset = 21 if domain != "" else min(later - 1, NEWEST)
        for least, number in itertools.product((False, True), (1, 64)):
            try:
                found = Probe(domain, op, opset, schema, kernel.types, least, number).run()
            except (KeyError, StopIteration, IndexError):
                found = None
            if found is not None:
                inputs, outputs = (",".join(map(str, sorted(one))) for one in found)
                return f"{inputs}>{outputs}" if inputs or outputs else ""
    print(f"{domain}::{op}: no model of it is taken", file=sys.stderr)
    return ""


def apart(function, *arguments) -> str:
    """What a function says in a process of its own, since a kernel may bring it down; empty where it did."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, function(*arguments).encode())
        os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    if status != 0:
        print(f"{arguments[:2]}: ended by {status}", file=sys.stderr)
    with os.fdopen(reading, "rb") as pipe:
        return pipe.read().decode()


class Sets:
    """Sets of types, numbered in the order of their first use."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def text(self, kernel: Kernel) -> str:
        """One kernel."""
        types = [f"{name}={self.numbers.setdefault(one, len(self.numbers))}" for name, one in sorted(kernel.types.items())]
        return f"{kernel.first}-{kernel.last}:{' '.join(types)}"


def all_kernels() -> dict[tuple[str, str], dict[str, list[Kernel]]]:
    """Kernels by op and provider. One without a last version takes its first only: a later one may mean something else."""
    found = collections.defaultdict(lambda: {"cpu": [], "cuda": []})
    for one in state.get_all_opkernel_def():
        domain = "" if one.domain == "ai.onnx" else one.domain
        if one.provider not in PROVIDERS or domain not in DOMAINS or one.op_name.startswith("Memcpy"):
            continue
        first, last = one.version_range
        types = {name: letters(allowed) for name, allowed in one.type_constraints.items()}
        kernel = Kernel(first, first if last == OPEN else last, types)
        found[domain, one.op_name][PROVIDERS[one.provider]].append(kernel)
    return {op: {name: joined(rows) for name, rows in own.items()} for op, own in found.items()}


def main() -> None:
    """Print the file."""
    kernels = all_kernels()
    if not any(own["cuda"] for own in kernels.values()):
        sys.exit("this onnxruntime has no CUDA provider")
    schemas = collections.defaultdict(list)
    for schema in state.get_all_operator_schema():
        if schema.domain in DOMAINS:
            schemas[schema.domain, schema.name].append(schema)
    sets, lines = Sets(), []
    for key in sorted(schemas):
        own = kernels.get(key, {"cpu": [], "cuda": []})
        host = apart(host_memory, *key, own["cuda"], schemas[key]) if own["cuda"] else ""
        texts = ["; ".join(map(sets.text, own[provider])) for provider in ("cpu", "cuda")]
        name = "::".join(part for part in key if part != "")
        lines.append(" | ".join([name, signatures(schemas[key]), *texts, host]).rstrip())
    print("/** Made by scripts/make-kernels.py; not to be edited. The script says how to read it. */")
    print(f"export const ONNXRUNTIME_VERSION = {json.dumps(ort.__version__)};\n")
    print("/** What letters stand for. */")
    print(f"export const typeLetters = {json.dumps(' '.join(f'{one} {name}' for name, one in LETTERS.items()))};\n")
    print("/** Sets of types, as letters, by number. */")
    print(f"export const typeSets = {json.dumps(' '.join(sets.numbers))};\n")
    print("/** Ops by name, a line each. */")
    print("export const opKernels = `" + "\n".join(lines) + "`;")


if __name__ == "__main__":
    main()
