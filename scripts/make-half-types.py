"""Print compiler/ops/half/half-data.ts: where ops take float32, and not float16 or bfloat16.

    python scripts/make-half-types.py > compiler/ops/half/half-data.ts

Goes by the schemas that onnxruntime has of ONNX's ops and its own. One line an op that has such a type parameter, behind
its name, for each version of the op in which that is so: `since:T=h V=hb`, apart by "; ". Behind a type parameter stand
the types that it does not take: h for float16, b for bfloat16. A version with nothing behind the colon takes both.
"""

import collections

from onnxruntime.capi import onnxruntime_pybind11_state as state

HALVES = {"tensor(float16)": "h", "tensor(bfloat16)": "b"}
DOMAINS = ("", "com.microsoft")


def lacking(schema) -> str:
    """`T=h V=hb` of one version of an op."""
    rows = []
    for one in schema.type_constraints:
        if "tensor(float)" not in one.allowed_type_strs:
            continue
        missing = "".join(letter for name, letter in HALVES.items() if name not in one.allowed_type_strs)
        if missing:
            rows.append(f"{one.type_param_str}={missing}")
    return " ".join(sorted(rows))


def main() -> None:
    """Print the file."""
    schemas = collections.defaultdict(dict)
    for schema in state.get_all_operator_schema():
        if schema.domain in DOMAINS:
            schemas[schema.domain, schema.name][schema.since_version] = lacking(schema)
    print("/** Made by scripts/make-half-types.py; not to be edited. The script says how to read it. */")
    print("export const halfTypes = `")
    for key in sorted(schemas):
        versions = sorted(schemas[key].items())
        changed = [row for i, row in enumerate(versions) if row[1] != (versions[i - 1][1] if i else "")]
        if changed:
            name = "::".join(part for part in key if part)
            print(f"{name} | {'; '.join(f'{since}:{text}' for since, text in changed)}")
    print("`;")


if __name__ == "__main__":
    main()
