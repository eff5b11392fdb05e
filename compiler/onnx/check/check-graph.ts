import { byteSize } from "../../ir/dtype.ts";
import type { Graph } from "../../ir/graph.ts";
import type { Func, Model } from "../../ir/model.ts";
import type { Tensor } from "../../ir/tensor.ts";
import { asTensor } from "../../ir/type.ts";
import type { Value } from "../../ir/value.ts";
import { NEWEST_IR } from "./op-schemas.ts";
import type { Problem } from "./problem.ts";

/** What the standard holds of a model beside its graphs: versions that exist and go together. */
export function checkHeader(model: Model): readonly Problem[] {
  const { irVersion, functions } = model;
  const problems: Problem[] = [];
  const add = (what: string, wanted: string, found: string): void => {
    problems.push({ at: model, what, wanted, found });
  };
  if (irVersion < 1 || irVersion > NEWEST_IR)
    add("the IR version is not known", `1 to ${NEWEST_IR}`, String(irVersion));
  if (irVersion >= 3 && model.opsets.size === 0)
    add("the model imports no operator set", "opset_import", "none");
  // An opset newer than the IR version it came with is common, and read by every runtime.
  if (functions.size > 0 && irVersion < 8)
    add("functions are newer than the IR version", "version 8 or later", String(irVersion));
  if ([...functions.values()].some(({ overload }) => overload !== "") && irVersion < 10)
    add("overloads are newer than the IR version", "version 10 or later", String(irVersion));
  return problems;
}

/** What the standard holds of a main graph: typed inputs and outputs. */
export function checkInterface({ graph, irVersion }: Model): readonly Problem[] {
  const problems: Problem[] = [];
  for (const value of new Set([...graph.inputs, ...graph.outputs])) {
    if (value.type !== undefined && asTensor(value.type)?.dtype !== "undefined") continue;
    problems.push({ at: value, what: "an input or output has no type", wanted: "a type", found: "none" });
  }
  const { inputs } = graph;
  if (irVersion >= 4) return problems;
  for (const value of graph.initializers) {
    if (inputs.includes(value)) continue;
    const what = "an initializer is no input, as it must be below IR version 4";
    problems.push({ at: value, what, wanted: "an input of its name", found: "none" });
  }
  return problems;
}

/** What the standard holds of every graph: a name for each value, one definition for each name, whole tensors. */
export function checkGraph(graph: Graph): readonly Problem[] {
  const problems: Problem[] = [];
  const defined = new Map<string, Value>();
  const define = (value: Value): void => {
    const name = value.name ?? "";
    const before = defined.get(name);
    if (name !== "" && before !== undefined && before !== value)
      problems.push({
        at: value,
        what: `${JSON.stringify(name)} is defined twice`,
        wanted: "one",
        found: "two",
      });
    defined.set(name, value);
  };
  const seen = new Set<Value>([...graph.inputs, ...graph.initializers]);
  for (const value of seen) define(value);
  for (const node of graph.nodes) {
    for (const value of node.outputs) define(value);
    if (node.inputs.length === 0 && node.outputs.length === 0)
      problems.push({
        at: node,
        what: "a node has neither inputs nor outputs",
        wanted: "one",
        found: "none",
      });
    for (const attribute of node.attributes.values())
      if (attribute.kind === "tensor") problems.push(...checkTensor(attribute.value, node));
  }
  for (const value of graph.initializers)
    if (value.constant !== undefined) problems.push(...checkTensor(value.constant, value));
  return problems;
}

/** A tensor's bytes, as far as they can be counted without reading them, and where external ones are. */
function checkTensor(tensor: Tensor, at: Problem["at"]): Problem[] {
  const { storage, dtype, size } = tensor;
  if (storage.kind === "strings") return [];
  if (dtype === "undefined") return [{ at, what: "a tensor has no type", wanted: "a type", found: "none" }];
  const wanted = byteSize(dtype, size);
  const length = lengthOf(storage);
  const problems: Problem[] = [];
  if (wanted !== null && length !== null && length !== wanted)
    problems.push({
      at,
      what: "a tensor's data do not fill its shape",
      wanted: `${wanted} bytes`,
      found: String(length),
    });
  if (storage.kind === "external") problems.push(...checkExternal(storage.entries ?? [], at));
  return problems;
}

function lengthOf(storage: Tensor["storage"]): number | null {
  if (storage.kind === "memory") return storage.bytes.length;
  if (storage.kind === "inline" || storage.kind === "external") return storage.range?.length ?? null;
  return storage.kind === "typed" ? storage.length : null;
}

const externalKeys = new Set(["location", "offset", "length", "checksum", "basepath"]);

function checkExternal(
  entries: readonly { readonly key?: string; readonly value?: string }[],
  at: Problem["at"],
): Problem[] {
  const problems: Problem[] = [];
  const add = (what: string, wanted: string, found: string): void => {
    problems.push({ at, what: `external data ${what}`, wanted, found });
  };
  const given = new Map(entries.map(({ key = "", value = "" }) => [key, value]));
  const location = given.get("location") ?? "";
  const isInside = location !== "" && !/^([/\\]|[A-Za-z]:)|(^|[/\\])\.\.([/\\]|$)/.test(location);
  if (!isInside) add("lie outside the model's folder", "a path inside it", JSON.stringify(location));
  for (const key of ["offset", "length"]) {
    const value = given.get(key);
    if (value !== undefined && !/^\d+$/.test(value)) add(`have no such ${key}`, "a number of bytes", value);
  }
  for (const key of given.keys())
    if (!externalKeys.has(key)) add("have an unknown field", [...externalKeys].join(", "), key);
  return problems;
}

/** A function's signature: each input, output and attribute is named once, and what a caller gives has no default. */
export function checkFunction(func: Func): readonly Problem[] {
  const names: readonly (readonly [what: string, names: readonly string[]])[] = [
    ["input", func.body.inputs.map(({ name }) => name ?? "")],
    ["output", func.body.outputs.map(({ name }) => name ?? "")],
    ["attribute", [...func.parameters, ...func.defaults.keys()]],
  ];
  return names.flatMap(([what, all]) => {
    const twice = all.find((name, i) => all.indexOf(name) !== i);
    if (twice === undefined) return [];
    return [
      {
        at: func,
        what: `the ${what} ${JSON.stringify(twice)} is named twice`,
        wanted: "once",
        found: "twice",
      },
    ];
  });
}
