"""Print compiler/ops/kernels/webgpu-data.ts: which kernels onnxruntime's WebGPU provider has.

    python scripts/make-webgpu-kernels.py > compiler/ops/kernels/webgpu-data.ts

onnxruntime lists the kernels of its CPU and CUDA providers (scripts/make-kernels.py), but not of this one. So each version
of each op is tried with all its types: a model of the one op, which onnxruntime-node's WebGPU provider takes alone, or not
(scripts/probe-webgpu.mjs). Schemas come from an onnxruntime for Python of the same version. Needs a Vulkan driver; one
that computes on the CPU, such as SwiftShader (VK_ICD_FILENAMES), does.

One line an op, its parts apart by " | ", behind its name:

1. Kernels, `first-last:T=types T1=types`, apart by "; ": versions of the op, and the types by type parameter, as letters
   of the table of the other providers. A parameter of operands that may be left out is listed where it was tried.
2. Operands read from and written to the CPU's memory: `1,2>0`.
"""

import base64
import collections
import importlib.util
import itertools
import json
import os
import subprocess
import sys
import tempfile

import onnx
from onnx import TensorProto, helper

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("make_kernels", os.path.join(HERE, "make-kernels.py"))
others = importlib.util.module_from_spec(spec)
spec.loader.exec_module(others)

COMMON = "fhilIB"
TAKEN, REFUSED, INVALID = "taken", "refused", "invalid"

# What onnxruntime says where another provider, or none, has the node.
ELSEWHERE = ("assigned to the default CPU EP", "Could not find an implementation", "is not set")


class Node:
    """onnxruntime-node in a process of its own, which is begun anew where a kernel brings it down."""

    def __init__(self) -> None:
        self.process = None

    def create(self, model, providers, **more) -> str | None:
        """None where the session is made, else what onnxruntime says."""
        if self.process is None:
            self.process = subprocess.Popen(
                ["node", os.path.join(HERE, "probe-webgpu.mjs")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
        content = base64.b64encode(model.SerializeToString()).decode()
        self.process.stdin.write(json.dumps({"model": content, "providers": providers, **more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if line != "":
            return json.loads(line)
        self.process = None
        return "it came down"


node = Node()


class Trial(others.Probe):
    """A model of one op, with the operands that must be there or with all."""

    def model(self) -> onnx.ModelProto:
        """The model; operands come from inputs of the graph, and results go to its outputs."""
        return self.built(False)

    def built(self, is_cast: bool) -> onnx.ModelProto:
        """With casts that run on the device in front of operands and behind results, or without."""
        arity = others.ARITY.get(self.op, (None, None))
        inputs = self.parameters(self.schema.inputs, arity[0])
        outputs = self.parameters(self.schema.outputs, arity[1])
        fixed = {"If": [9], "Loop": [7, 9, 1], "Scan": [1, 1]}.get(self.op)
        kinds = dict(enumerate(fixed)) if fixed else {i: self.element(one) for i, one in enumerate(inputs) if one}
        results = {i: self.element(one) for i, one in enumerate(outputs) if one}
        names = [
            [f"{side}{i}" if i in given else "" for i in range(max(given, default=-1) + 1)]
            for side, given in (("i", kinds), ("o", results))
        ]
        probed = helper.make_node(self.op, *names, name="probed", domain=self.domain, **self.attributes())
        to_float = TensorProto.FLOAT
        before = [helper.make_node("Cast", [f"g{i}"], [f"i{i}"], to=kind) for i, kind in kinds.items()]
        # What is on the CPU is cast there, and what comes of that is needed on the device.
        after = [helper.make_node("Cast", [f"o{i}"], [f"a{i}"], to=to_float) for i in results]
        sums = [helper.make_node("Add", [f"a{i}", "on_device"], [f"r{i}"]) for i in results]
        device = helper.make_node("Sqrt", ["g"], ["on_device"])
        nodes = [*before, device, probed, *after, *sums] if is_cast else [probed]
        ends = [(f"g{i}", to_float) if is_cast else (f"i{i}", kind) for i, kind in kinds.items()]
        ends += [("g", to_float)] if is_cast else []
        graph = helper.make_graph(
            nodes, "probe",
            [helper.make_tensor_value_info(name, kind, None) for name, kind in ends],
            [helper.make_empty_tensor_value_info(f"r{i}" if is_cast else f"o{i}") for i in results],
        )  # fmt: skip
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    def parameter_names(self) -> list[str]:
        """Type parameters of the operands and results that the model has."""
        sides = (self.schema.inputs, self.schema.outputs)
        if self.op not in others.ARITY:
            sides = [self.parameters(side, None) for side in sides]
        used = {one.typeStr for side in sides for one in side if one}
        return [name for name in allowed_types(self.schema) if name in used]

    def with_type(self, name: str, letter: str):
        """The same with another type for one parameter."""
        types = {**self.types, name: letter}
        return Trial(self.domain, self.op, self.opset, self.schema, types, self.least, self.number)

    def full(self):
        """The same with all operands."""
        return Trial(self.domain, self.op, self.opset, self.schema, self.types, False, self.number)

    def variants(self, names):
        """The same with other types for some parameters: the type of the first, and each common one."""
        allowed = allowed_types(self.schema)
        main = next(iter(self.types.values()))
        for one in (main, *COMMON):
            types = {name: one if one in allowed[name] else allowed[name][0] for name in names}
            yield Trial(self.domain, self.op, self.opset, self.schema, {**self.types, **types}, self.least, self.number)

    def outcome(self) -> str:
        """Whether the provider takes the op."""
        try:
            model = self.model()
        except (KeyError, StopIteration, IndexError):
            return INVALID
        said = node.create(model, ["webgpu"], alone=True, int64=False)
        if said is None:
            return TAKEN
        if "WebGPU adapter" in said:
            sys.exit(said)
        if any(one in said for one in ELSEWHERE):
            return REFUSED
        # A kernel that refuses its attributes is one; a model that is none is none on the CPU either.
        other = node.create(model, ["cpu"], alone=False, int64=False)
        return TAKEN if other is None or "Could not find an implementation" in other else INVALID

    def placed(self, is_cast: bool):
        """The nodes once they have their providers; None where onnxruntime does not come that far."""
        with tempfile.TemporaryDirectory() as folder:
            output = os.path.join(folder, "placed.onnx")
            node.create(self.built(is_cast), ["webgpu"], alone=False, int64=is_cast, output=output)
            return onnx.load(output).graph.node if os.path.exists(output) else None

    def is_kernel(self) -> bool:
        """Whether onnxruntime has not written the op out in others."""
        nodes = self.placed(False)
        return nodes is None or any(one.name == "probed" for one in nodes)

    def host(self) -> tuple[set[int], set[int]] | None:
        """Operands and results in the CPU's memory: onnxruntime inserts copies there."""
        nodes = self.placed(True)
        probed = next((one for one in nodes or [] if one.name == "probed"), None)
        if probed is None:
            return None
        copied = {name for one in nodes if one.op_type == "MemcpyToHost" for name in one.output}
        returned = {name for one in nodes if one.op_type == "MemcpyFromHost" for name in one.input}
        fetched = {name for one in nodes if one.op_type == "MemcpyToHost" for name in one.input}
        written = [name in returned or (f"a{i}" in returned and name not in fetched) for i, name in enumerate(probed.output)]
        outputs = {i for i, is_written in enumerate(written) if is_written}
        return {i for i, name in enumerate(probed.input) if name in copied}, outputs


def allowed_types(schema) -> dict[str, str]:
    """What each type parameter may be, common types first."""
    found = {}
    for one in schema.type_constraints:
        own = others.letters(one.allowed_type_strs)
        known = [letter for letter in others.LETTERS.values() if letter in own]
        found[one.type_param_str] = "".join(sorted(known, key=lambda letter: (letter not in COMMON, known.index(letter))))
    return {name: own for name, own in found.items() if own != ""}


def beginnings(allowed: dict[str, str]):
    """Types to begin with: one for all, and each of two floats with another for the rest."""
    seen = []
    for main, rest in [*((one, one) for one in COMMON), *itertools.product("fh", "ilIBCc")]:
        types = {
            name: main if main in own and (i == 0 or rest not in own or main == rest) else rest if rest in own else own[0]
            for i, (name, own) in enumerate(allowed.items())
        }
        floats = {name: main if main in own else rest if rest in own else own[0] for name, own in allowed.items()}
        for one in (types, floats):
            if one not in seen:
                seen.append(one)
                yield one


def trial_of(domain, op, opset, schema):
    """The first way to ask for an op that is taken; None where there is none."""
    allowed = allowed_types(schema)
    for types in beginnings(allowed):
        for least, number in itertools.product((True, False), (1, 64)):
            trial = Trial(domain, op, opset, schema, types, least, number)
            outcome = trial.outcome()
            if outcome == TAKEN:
                return trial
            if outcome == REFUSED:
                break
    return None


def taken_types(trial, names) -> dict[str, str]:
    """What types are taken for some parameters, each beside those of a trial that is taken."""
    taken = {}
    for name in names:
        own = allowed_types(trial.schema)[name]
        found = [letter for letter in own if letter == trial.types[name] or trial.with_type(name, letter).outcome() == TAKEN]
        taken[name] = "".join(sorted(found))
    return taken


def kernel_of(trial, since: int):
    """What types the kernels of one version take; of parameters that may be left out, too, where all can be given."""
    parameters = trial.parameter_names()
    taken = taken_types(trial, parameters)
    full = trial.full()
    more = [name for name in full.parameter_names() if name not in taken]
    if more:
        likely = next((one for one in full.variants(more) if one.outcome() == TAKEN), None)
        taken |= {} if likely is None else taken_types(likely, more)
    return others.Kernel(since, since, taken)


def row_of(domain: str, op: str, schemas) -> str | None:
    """The line of an op; None where no kernel of it is found."""
    kernels, host = [], (set(), set())
    ordered = sorted(schemas, key=lambda one: one.since_version)
    for schema, later in itertools.zip_longest(ordered, ordered[1:]):
        since = schema.since_version
        newest = others.NEWEST if later is None else min(later.since_version - 1, others.NEWEST)
        if domain == "" and since > newest:
            continue
        trial = trial_of(domain, op, newest if domain == "" else 21, schema)
        if trial is None or not trial.is_kernel():
            continue
        kernels.append(kernel_of(trial, since))
        full = trial.full()
        host = (full if full.outcome() == TAKEN else trial).host() or host
    if not kernels:
        return None
    texts = [
        f"{one.first}-{one.last}:{' '.join(f'{name}={types}' for name, types in sorted(one.types.items()))}"
        for one in others.joined(kernels)
    ]
    inputs, outputs = (",".join(map(str, sorted(one))) for one in host)
    name = "::".join(part for part in (domain, op) if part != "")
    return f"{name} | {'; '.join(texts)} | {f'{inputs}>{outputs}' if inputs or outputs else ''}".rstrip()


def main() -> None:
    """Print the file."""
    schemas = collections.defaultdict(list)
    for schema in others.state.get_all_operator_schema():
        if schema.domain in others.DOMAINS and not schema.name.startswith("Memcpy"):
            schemas[schema.domain, schema.name].append(schema)
    rows = []
    for key in sorted(schemas):
        row = row_of(*key, schemas[key])
        if row is not None:
            print(row, file=sys.stderr)
            rows.append(row)
    print("/** Made by scripts/make-webgpu-kernels.py; not to be edited. The script says how to read it. */")
    print("export const webgpuKernels = `" + "\n".join(rows) + "`;")


if __name__ == "__main__":
    main()
