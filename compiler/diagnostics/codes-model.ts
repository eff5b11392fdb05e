import { meantText, meantValueText } from "./closest.ts";
import { error, note, warning } from "./row.ts";

/** External data files that are missing, in one message. */
export interface AbsentData {
  readonly files: number;
  /** The first of them, as the model names it. */
  readonly location: string;
  /** How many tensors need them, all together. */
  readonly tensors: number;
  /** Where the model's file leads as a symbolic link, if the first of them lies beside it there. */
  readonly linkedTo?: string;
}

function absentText({ files, location, tensors }: AbsentData): string {
  if (files === 1)
    return `the external data file "${location}" is missing; ${tensors} tensor${tensors === 1 ? " needs" : "s need"} it`;
  return `${files} external data files are missing, the first of them "${location}"; ${tensors} tensors need them`;
}

/** Messages about files of models, what is in them, and options. */
export const modelCodes = {
  // ---- files
  FILE_NOT_FOUND: error((p: { file: string; found?: string; fix?: string }) => ({
    what: `cannot open ${p.file}`,
    wanted: "an existing, readable file",
    found: p.found ?? "none at this path",
    fix: p.fix ?? "check the path",
  })),
  FILE_IS_LFS_POINTER: error((p: { file: string; size: string | null }) => ({
    what: `${p.file} is a Git LFS pointer`,
    wanted:
      p.size === null ? "the file that it stands for" : `the file of ${p.size} bytes that it stands for`,
    found: "the lines of text that Git keeps in its place",
    fix: "run git lfs pull in the repository that it comes from, or download the file itself",
  })),
  FILE_EMPTY: error(() => ({
    what: "the file is empty",
    wanted: "an ONNX model",
    found: "0 bytes",
    fix: "export or copy the model again",
  })),
  FILE_TRUNCATED: error((p: { offset: number; need: number; have: number }) => ({
    what: `the file ends inside a field that starts at byte ${p.offset}`,
    wanted: `${p.need} more bytes`,
    found: `${p.have}`,
    fix: "the download or export was cut short: get the file again",
  })),
  FILE_NOT_ONNX: error((p: { why: string }) => ({
    what: "the file is not an ONNX model",
    wanted: "a serialized ModelProto",
    found: p.why,
    fix: "give the .onnx file of the model",
  })),
  MODEL_NESTED_TOO_DEEP: error((p: { limit: string; found: string }) => ({
    what: "the model is nested too deep to be read",
    wanted: `at most ${p.limit} inside one another`,
    found: p.found,
    fix: "export the model with fewer Ifs, Loops and types inside one another",
  })),
  FILE_NOT_WRITABLE: error((p: { file: string; why: string; fix?: string }) => ({
    what: `cannot write ${p.file}`,
    found: p.why,
    fix: p.fix ?? "choose another `output`, or make the folder writable",
  })),
  INPUT_CHANGED: error((p: { file: string; wanted: string; found: string }) => ({
    what: `${p.file} was changed while it was read; nothing was written`,
    wanted: p.wanted,
    found: p.found,
    fix: "wait until what writes it is done, and run tfc again",
  })),
  STDOUT_NOT_WRITABLE: error((p: { why: string }) => ({
    what: "the result cannot be written to standard output",
    found: p.why,
    fix: "write it where there is space",
  })),
  OUTPUT_PATH_WINDOWS: warning((p: { path: string }) => ({
    what: `the output's path is in the form of Windows; on this system it is ${p.path}`,
    fix: "separate folders by /; a drive is a folder of its own here (in WSL, C: is /mnt/c)",
  })),
  OUTPUT_IS_INPUT: error((p: { file: string }) => ({
    what: "the output would overwrite an input file",
    wanted: "an output path that no input uses",
    found: p.file,
    fix: "choose another `output`",
  })),
  COMPANION_UNREAD: note((p: { file: string }) => ({
    what: `${p.file} is of an earlier output, and no longer read`,
    fix: "remove it, unless something else reads it",
  })),
  OUTPUT_TOO_LARGE: error((p: { bytes: number }) => ({
    what: "a model file cannot hold its weights inline above 2 GiB",
    wanted: "at most 2147483647 bytes",
    found: `${p.bytes} bytes`,
    fix: "use `weights: link` or `weights: copy`",
  })),

  // ---- external data
  EXTERNAL_DATA_MISSING: error((p: AbsentData & { needsWeights?: boolean }) => ({
    what: absentText(p),
    wanted: `the ${p.files === 1 ? "file" : "files"} beside the model`,
    found: "none",
    fix: [
      p.linkedTo === undefined
        ? "put what is missing there"
        : `the model is a link: give the file that it leads to, ${p.linkedTo}, or link its weights beside it, too`,
      ...(p.needsWeights === true ? [] : ["or give `allowMissingWeights` to work on the graph alone"]),
    ].join(", "),
  })),
  EXTERNAL_DATA_ABSENT: warning((p: AbsentData) => ({
    what: `${absentText(p)}, and only the graph was looked at`,
  })),
  EXTERNAL_PATH_ESCAPES: error((p: { location: string }) => ({
    what: "external data lies outside the model's folder",
    wanted:
      "a relative path that stays in the folder, through no symbolic link out of it and out of where the model really lies",
    found: JSON.stringify(p.location),
    fix: "move the data file beside the model and export again with a relative location",
  })),
  EXTERNAL_DATA_SHORT: error((p: { location: string; need: number; have: number; of?: "length" }) => ({
    what:
      p.of === "length"
        ? `the length that the model gives for a tensor's data in "${p.location}" is too short for it`
        : `the external data file "${p.location}" is too short for a tensor`,
    wanted: `at least ${p.need} bytes`,
    found: `${p.have}`,
    fix:
      p.of === "length"
        ? "export the model again"
        : "the data file was cut short or belongs to another model: get it again",
  })),
  EXTERNAL_DATA_INVALID: error((p: { field: string; value: string; wanted?: string }) => ({
    what: `a tensor's external data has a bad ${p.field}`,
    wanted: p.wanted ?? (p.field === "location" ? "a file name" : "a non-negative integer"),
    found: JSON.stringify(p.value),
    fix: "export the model again",
  })),
  WEIGHTS_HARD_LINKED: note((p: { files: readonly string[]; hasFolder?: boolean }) => ({
    what: `${p.files.join(", ")} now ${p.files.length === 1 ? "has" : "have"} a second hard link; onnxruntime reads such files, the onnx Python package (1.21 and later) refuses them, for the base model too`,
    fix: `where that matters, use \`weights: copy\`${p.hasFolder === true ? "" : ", or an `output` in the base's folder, which needs no link"}`,
  })),

  WEIGHTS_NOT_LINKED: note((p: { files: readonly string[] }) => ({
    what: `${p.files.join(", ")} ${p.files.length === 1 ? "was" : "were"} copied, although links were asked for: the output lies on another disk, or its file system has no hard links`,
    fix: "to save the space, choose an `output` on the same disk",
  })),

  // ---- the model
  MODEL_HAS_NO_GRAPH: error(() => ({
    what: "the model has no graph",
    wanted: "a ModelProto with a graph",
    found: "none",
    fix: "export the model again",
  })),
  NAME_DUPLICATE: error((p: { name: string; first: string; of?: "value" | "function" | "attribute" }) => ({
    what: `the ${p.of ?? "value"} name ${JSON.stringify(p.name)} is defined twice`,
    wanted: `each ${p.of ?? "value"} name defined once${p.of === undefined ? " (static single assignment)" : ""}`,
    found: `a first definition at ${p.first}`,
    fix: "rename one of the two in the exporter",
  })),
  NAME_DANGLING: error((p: { name: string }) => ({
    what: `nothing defines the value ${JSON.stringify(p.name)}`,
    wanted: "a graph input, an initializer or an earlier node's output of this name",
    found: "none",
    fix: "export the model again",
  })),
  NODE_ORDER: error((p: { name: string }) => ({
    what: `the value ${JSON.stringify(p.name)} is read before the node that makes it`,
    wanted: "nodes in topological order",
    found: "a later producer",
    fix: "the nodes read each other in a cycle: export the model again",
  })),
  NODES_SORTED: warning(() => ({
    what: "the nodes are not in topological order; they were put in order",
    wanted: "each node behind those whose results it reads",
    found: "this node before one of them",
  })),
  FUNCTIONS_NOT_INLINED: warning((p: { nodes: number; most: number }) => ({
    what: "the model's functions hide its projections or attention, and were not inlined",
    wanted: `at most ${p.most} nodes once they are`,
    found: Number.isFinite(p.nodes) ? String(p.nodes) : "more than can be counted",
    fix: "export the model with fewer functions, or inline those that hold projections and attention",
  })),
  TENSOR_INVALID: error((p: { what: string; wanted: string; found: string }) => ({
    what: `a tensor has ${p.what}`,
    wanted: p.wanted,
    found: p.found,
    fix: "export the model again",
  })),
  OPSET_UNSUPPORTED: error((p: { found: string }) => ({
    what: "the model's operator set is too old to be compiled, or not declared",
    wanted: "opset_import of the default domain, version 9 or later",
    found: p.found,
    fix: "export the model again, with a newer opset",
  })),
  FUNCTION_RECURSIVE: error((p: { name: string }) => ({
    what: `the function ${p.name} calls itself`,
    wanted: "functions without recursion",
    found: "a cycle of calls",
    fix: "export the model again",
  })),
  STANDARD_OP_REDEFINED: error((p: { op: string }) => ({
    what: `the model has a function of its own in place of the standard op ${p.op}`,
    wanted: "standard ops that mean what the standard says: what is added to the model is written in them",
    found: `a function "${p.op}" in the standard domain`,
    fix: "give the function a domain of its own, in its definition and in its calls",
  })),
  CALL_DOES_NOT_FIT: error(
    (p: { name: string; takes: number; gives: number; inputs: number; outputs: number }) => ({
      what: `a call does not fit the function ${p.name}`,
      wanted: `at most ${p.takes} inputs and ${p.gives} outputs`,
      found: `${p.inputs} and ${p.outputs}`,
      fix: "export the model again",
    }),
  ),
  ONNX_INVALID: error((p: { what: string; wanted: string; found: string }) => ({
    what: `the ONNX standard does not allow this: ${p.what}`,
    wanted: p.wanted,
    found: p.found,
    fix: "export the model again; if tfc made this model, please report it with the command",
  })),
  IR_INVALID: error((p: { what: string }) => ({
    what: p.what,
    fix: "export the model again; if tfc made this model, please report it with the command",
  })),
  TEXT_SYNTAX: error((p: { line: number; column: number; wanted: string; found: string }) => ({
    what: `syntax error at ${p.line}:${p.column}`,
    wanted: p.wanted,
    found: p.found,
    fix: "correct the text",
  })),

  // ---- recognition
  NO_DECODER: error((p: { looksLike: string; seen: string }) => ({
    what: `there is no Llama-family decoder in this graph; ${p.looksLike}`,
    wanted: "attention between q/k/v and output projections, and an MLP between projections",
    found: p.seen,
    fix: "give the decoder's graph; `tfc inspect` lists what was seen",
  })),
  ATTENTION_UNMATCHED: warning((p: { matched: number; seen: number; misses: string }) => ({
    what: `matched ${p.matched} of ${p.seen} attention blocks`,
    found: p.misses,
    fix: "the rest is left as it was; `tfc inspect` names each; `strict` makes this an error",
  })),
  MLP_UNMATCHED: warning((p: { matched: number; seen: number; misses: string }) => ({
    what: `matched ${p.matched} of ${p.seen} MLP blocks`,
    found: p.misses,
    fix: "the rest is left as it was; `tfc inspect` names each; `strict` makes this an error",
  })),
  MOE_UNMATCHED: warning((p: { matched: number; seen: number; misses: string }) => ({
    what: `matched ${p.matched} of ${p.seen} mixtures of experts`,
    found: p.misses,
    fix: "the rest is left as it was; `tfc inspect` names each; `strict` makes this an error",
  })),
  STRICT: error((p: { warnings: number }) => ({
    what: `\`strict\` makes ${p.warnings === 1 ? "the warning" : `the ${p.warnings} warnings`} below an error`,
    fix: "leave out `strict` to compile what was understood",
  })),

  // ---- options
  OPTION_UNKNOWN_VALUE: error((p: { option: string; value: string; allowed: readonly string[] }) => ({
    what: `\`${p.option}\` does not know "${p.value}"`,
    wanted: `one of ${p.allowed.join(", ")}`,
    found: JSON.stringify(p.value),
    fix: `correct \`${p.option}\`${meantValueText(p.value, p.allowed)}`,
  })),
  OPTION_UNKNOWN: error((p: { option: string; owner: string; allowed: readonly string[] }) => ({
    what: `${p.owner} has no option "${p.option}"`,
    wanted: p.allowed.length === 0 ? "no options" : `one of ${p.allowed.join(", ")}`,
    found: JSON.stringify(p.option),
    fix: `correct or remove it${meantText(p.option, p.allowed)}`,
  })),
  OPTION_OUT_OF_RANGE: error((p: { option: string; wanted: string; found: string }) => ({
    what: `\`${p.option}\` is out of range`,
    wanted: p.wanted,
    found: p.found,
    fix: `correct \`${p.option}\``,
  })),
  OPTION_REPEATED: error((p: { option: string; values: readonly string[] }) => ({
    what: `\`${p.option}\` is given more than once`,
    wanted: "one value",
    found: p.values.join(" and "),
    fix: "leave all but one of them out",
  })),
  OPTION_UNUSED: error((p: { option: string; needs: string }) => ({
    what: `\`${p.option}\` would have no effect`,
    wanted: `${p.needs} beside it`,
    found: "none",
    fix: `leave out \`${p.option}\`, or give what it is about`,
  })),
  OPTION_CONFLICT: error((p: { option: string; other: string; fix?: string }) => ({
    what: `\`${p.option}\` does not go with ${p.other}`,
    wanted: "one of the two",
    found: "both",
    fix: p.fix ?? "leave one of them out",
  })),
  CONFIG_INVALID: error((p: { wanted: string; found: string; meant?: string }) => ({
    what: "the configuration is not valid",
    wanted: p.wanted,
    found: p.found,
    fix: `${p.meant === undefined ? "correct the configuration" : `write ${p.meant}, if that is meant`}; docs/guide.md shows one`,
  })),
  USAGE: error((p: { what: string; command?: string; meant?: string }) => ({
    what: p.what,
    fix: `${p.meant === undefined ? "" : `did you mean ${p.meant}? `}see tfc ${p.command === undefined ? "" : `${p.command} `}--help`,
  })),
  ALREADY_COMPILED: error((p: { what: string; adapters?: string; isBank?: boolean }) => ({
    what: "the model has been compiled by tfc already",
    wanted: "a base model",
    found: p.what,
    fix: ["take the base model, not the compiled one", ...againWith(p)].join("; "),
  })),

  // ---- us
  INTERNAL: error((p: { what: string }) => ({
    what: `a bug in tfc: ${p.what}`,
    fix: "please report this, with the command and, if you can, the model",
  })),
} as const;

/** How a base gets the adapters that a compiled model has. */
function againWith({ adapters, isBank }: { adapters?: string; isBank?: boolean }): readonly string[] {
  // The file of a bank holds its members in one, which none of them is loaded from.
  if (isBank === true)
    return ["with `load` of each member's own file, and `adapters: bank`, it has these adapters"];
  return adapters === undefined ? [] : [`with \`load: ${adapters}\` it has these adapters`];
}
