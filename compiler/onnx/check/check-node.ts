import type { Attribute } from "../../ir/attribute.ts";
import type { Func, Model } from "../../ir/model.ts";
import type { Node } from "../../ir/node.ts";
import { rootOf } from "../../ir/walk.ts";
import { NEWEST_OPSET } from "./op-schemas.ts";
import type { Problem } from "./problem.ts";
import { schemaOf, type Counts, type OpSchema } from "./schemas.ts";

/** The standard's default domain under both its names. */
const isDefault = (domain: string): boolean => domain === "" || domain === "ai.onnx";

/**
 * What the standard holds of a node: its domain is imported where it stands, its op is in that version of the domain,
 * takes so many inputs and outputs, and its attributes are known and of their types. Ops of other domains have no
 * schema here.
 */
export function checkNode(node: Node, model: Model): readonly Problem[] {
  const root = node.graph === null ? null : rootOf(node.graph);
  const opsets = root?.opsets ?? model.opsets;
  const domain = isDefault(node.domain) ? "" : node.domain;
  const version = opsets.get(domain) ?? (domain === "" ? opsets.get("ai.onnx") : undefined);
  if (node.opType === "")
    return [{ at: node, what: "a node has no op type", wanted: "an op", found: "none" }];
  if (version === undefined) {
    const known = [...opsets.keys()].map((name) => JSON.stringify(name)).join(", ");
    return [
      {
        at: node,
        what: `the domain ${JSON.stringify(node.domain)} is not imported`,
        wanted: "an opset_import of it",
        found: known,
      },
    ];
  }
  const own = referenceProblems(node, root);
  if (domain !== "" || model.callee(node) !== undefined || version > NEWEST_OPSET) return own;
  const schema = schemaOf(node.opType, version);
  if (schema?.inputs == null || schema.outputs === null) {
    const why = schema === null ? "is not in" : "was withdrawn in";
    const found = `opset ${version}`;
    return [
      { at: node, what: `${node.opType} ${why} the operator set`, wanted: "an op of the opset", found },
    ];
  }
  return [
    ...own,
    ...countProblems(node, "inputs", schema.inputs),
    ...countProblems(node, "outputs", schema.outputs),
    ...attributeProblems(node, schema),
    ...versionProblems(node, schema, model),
  ];
}

function countProblems(node: Node, what: "inputs" | "outputs", { least, most }: Counts): Problem[] {
  const count = node[what].length;
  if (count >= least && count <= most) return [];
  const wanted = least === most ? String(least) : `${least} to ${most === Infinity ? "any number" : most}`;
  return [{ at: node, what: `${node.opType} has the wrong number of ${what}`, wanted, found: String(count) }];
}

/** Letters of the attribute kinds, as schemas have them. */
const letters: Readonly<Record<Exclude<Attribute["kind"], "ref" | "unknown">, string>> = {
  int: "i",
  float: "f",
  string: "s",
  tensor: "t",
  graph: "g",
  type: "p",
  ints: "I",
  floats: "F",
  strings: "S",
  tensors: "T",
  graphs: "G",
  types: "P",
};

/** Numbers of AttributeProto.AttributeType, by letter. */
const numbers = ["", "f", "i", "s", "t", "g", "F", "I", "S", "T", "G", "x", "X", "p", "P"];

function letterOf(attribute: Attribute): string {
  if (attribute.kind === "ref") return numbers[attribute.of] ?? "";
  // Sparse tensors are carried along unread.
  return attribute.kind === "unknown" ? "x" : letters[attribute.kind];
}

function attributeProblems(node: Node, { attributes }: OpSchema): Problem[] {
  const problems: Problem[] = [];
  for (const [name, attribute] of node.attributes) {
    const known = attributes.get(name);
    const what = `${node.opType} has the attribute ${JSON.stringify(name)}`;
    if (known === undefined) {
      const wanted = [...attributes.keys()].join(", ") || "no attributes";
      problems.push({ at: node, what, wanted, found: name });
    } else if (letterOf(attribute) !== known.type) {
      problems.push({ at: node, what, wanted: kindText(known.type), found: kindText(letterOf(attribute)) });
    }
  }
  for (const [name, { required }] of attributes) {
    if (!required || node.attributes.has(name)) continue;
    const what = `${node.opType} lacks the attribute ${JSON.stringify(name)}`;
    problems.push({ at: node, what, wanted: name, found: "none" });
  }
  return problems;
}

function kindText(letter: string): string {
  const kind = Object.entries(letters).find(([, own]) => own === letter)?.[0];
  return kind === undefined ? "a sparse tensor" : `of type ${kind}`;
}

/** Attributes of a caller may be read inside a function alone, and only those that it declares. */
function referenceProblems(node: Node, root: Model | Func | null): Problem[] {
  const declared = root !== null && "parameters" in root ? [...root.parameters, ...root.defaults.keys()] : [];
  return [...node.attributes.values()].flatMap((attribute) => {
    if (attribute.kind !== "ref" || declared.includes(attribute.parameter)) return [];
    const what = `a node reads the attribute ${JSON.stringify(attribute.parameter)} of its caller`;
    const wanted = declared.join(", ") || "a function that declares it";
    return [{ at: node, what, wanted, found: attribute.parameter }];
  });
}

/** A function of another opset than the model's may use only ops that both have alike. */
function versionProblems(node: Node, { since }: OpSchema, model: Model): Problem[] {
  const other = schemaOf(node.opType, model.opset)?.since;
  if (model.opset === 0 || other === since) return [];
  const what = `${node.opType} in a function is of another version than in the model`;
  return [{ at: node, what, wanted: `version ${other ?? "none"}`, found: `version ${since}` }];
}
