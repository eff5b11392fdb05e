"""Print compiler/onnx/check/op-schemas.ts: what the onnx package knows of each op of the default domain.

    python scripts/make-op-schemas.py > compiler/onnx/check/op-schemas.ts

One text an op, its versions apart by "; ", newest last. A version is
`since inputs outputs attribute=type …`: inputs and outputs as `least-most` (`*` for any number), types as letters
(i int, f float, s string, t tensor, g graph, p type, x sparse tensor; capital for lists), `!` behind what is required.
`-` in place of the numbers says that the op was withdrawn.
"""

import json

import onnx
from onnx import defs

ANY = 2**31 - 1
LETTERS = {
    "INT": "i", "FLOAT": "f", "STRING": "s", "TENSOR": "t", "GRAPH": "g", "TYPE_PROTO": "p", "SPARSE_TENSOR": "x",
    "INTS": "I", "FLOATS": "F", "STRINGS": "S", "TENSORS": "T", "GRAPHS": "G", "TYPE_PROTOS": "P",
    "SPARSE_TENSORS": "X",
}  # fmt: skip


def count(least: int, most: int) -> str:
    """`2-2`, `1-*`."""
    return f"{least}-{'*' if most == ANY else most}"


def version(schema: defs.OpSchema) -> str:
    """The text of one version of an op."""
    if schema.deprecated:
        return f"{schema.since_version} -"
    attributes = [
        f"{name}={LETTERS[attribute.type.name]}{'!' if attribute.required else ''}"
        for name, attribute in sorted(schema.attributes.items())
    ]
    counts = [count(schema.min_input, schema.max_input), count(schema.min_output, schema.max_output)]
    return " ".join([str(schema.since_version), *counts, *attributes])


def main() -> None:
    """Print the file."""
    ops: dict[str, list[defs.OpSchema]] = {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain == "":
            ops.setdefault(schema.name, []).append(schema)
    print("/**")
    print(f" * Made by scripts/make-op-schemas.py of onnx {onnx.__version__}; not to be edited. The script says how to")
    print(" * read it.")
    print(" */")
    print("export const opSchemas: Readonly<Record<string, string>> = {")
    for name, versions in sorted(ops.items()):
        text = "; ".join(version(schema) for schema in sorted(versions, key=lambda one: one.since_version))
        print(f"  {name}: {json.dumps(text)},")
    print("};\n")
    print("/** The newest that the checks know. */")
    print(f"export const NEWEST_OPSET = {onnx.defs.onnx_opset_version()};")
    print(f"export const NEWEST_IR = {onnx.IR_VERSION};")


if __name__ == "__main__":
    main()
