/** What a message says. `wanted` and `found` are noun phrases; `fix` is an instruction. */
export interface Text {
  readonly what: string;
  readonly wanted?: string;
  readonly found?: string;
  readonly fix?: string;
}

export type Severity = "error" | "warning" | "note";

interface Row<P> {
  readonly severity: Severity;
  readonly text: (params: P) => Text;
}

const error = <P>(text: (params: P) => Text): Row<P> => ({ severity: "error", text });
const note = <P>(text: (params: P) => Text): Row<P> => ({ severity: "note", text });
const warning = <P>(text: (params: P) => Text): Row<P> => ({ severity: "warning", text });

/**
 * Every message tfc has. The id is stable: scripts and tests rely on it. docs/errors.md is generated from this
 * table and the examples in test/errors.
 */
export const codes = {
  // ---- files
  FILE_NOT_FOUND: error((p: { file: string; found?: string }) => ({
    what: `cannot open ${p.file}`,
    wanted: "an existing, readable file",
    found: p.found ?? "none at this path",
    fix: "check the path",
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
  FILE_NOT_WRITABLE: error((p: { file: string; why: string }) => ({
    what: `cannot write ${p.file}`,
    found: p.why,
    fix: "choose another -o, or make the folder writable",
  })),
  OUTPUT_IS_INPUT: error((p: { file: string }) => ({
    what: "the output would overwrite an input file",
    wanted: "an output path that no input uses",
    found: p.file,
    fix: "choose another -o",
  })),
  OUTPUT_TOO_LARGE: error((p: { bytes: number }) => ({
    what: "a model file cannot hold its weights inline above 2 GiB",
    wanted: "at most 2147483647 bytes",
    found: `${p.bytes} bytes`,
    fix: "use --weights link or --weights copy",
  })),

  // ---- external data
  EXTERNAL_DATA_MISSING: error((p: { location: string; tensors: number }) => ({
    what: `the external data file "${p.location}" is missing; ${p.tensors} tensor${p.tensors === 1 ? " needs" : "s need"} it`,
    wanted: "the file beside the model",
    found: "none",
    fix: "put the file there, or give --allow-missing-weights to work on the graph alone",
  })),
  EXTERNAL_DATA_ABSENT: warning((p: { location: string; tensors: number }) => ({
    what: `the external data file "${p.location}" is missing; ${p.tensors} tensor${p.tensors === 1 ? " needs" : "s need"} it, and only the graph was looked at`,
  })),
  EXTERNAL_PATH_ESCAPES: error((p: { location: string }) => ({
    what: "external data lies outside the model's folder",
    wanted: "a relative path that stays in the folder, through no symbolic link out of it",
    found: JSON.stringify(p.location),
    fix: "move the data file beside the model and export again with a relative location",
  })),
  EXTERNAL_DATA_SHORT: error((p: { location: string; need: number; have: number }) => ({
    what: `the external data file "${p.location}" is too short for a tensor`,
    wanted: `at least ${p.need} bytes`,
    found: `${p.have}`,
    fix: "the data file was cut short or belongs to another model: get it again",
  })),
  EXTERNAL_DATA_INVALID: error((p: { field: string; value: string }) => ({
    what: `a tensor's external data has a bad ${p.field}`,
    wanted: p.field === "location" ? "a file name" : "a non-negative integer",
    found: JSON.stringify(p.value),
    fix: "export the model again",
  })),

  WEIGHTS_HARD_LINKED: note((p: { files: readonly string[] }) => ({
    what: `${p.files.join(", ")} now ${p.files.length === 1 ? "has" : "have"} a second hard link; onnxruntime reads such files, the onnx Python package (1.21 and later) refuses them, for the base model too`,
    fix: "where that matters, use --weights copy, or an -o in the base's folder, which needs no link",
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
  TENSOR_INVALID: error((p: { what: string; wanted: string; found: string }) => ({
    what: `a tensor has ${p.what}`,
    wanted: p.wanted,
    found: p.found,
    fix: "export the model again",
  })),
  OPSET_UNSUPPORTED: error((p: { found: string }) => ({
    what: "the model's operator set is too old to be compiled, or not declared",
    wanted: "opset_import of the default domain, version 7 or later",
    found: p.found,
    fix: "export the model again, with a newer opset",
  })),
  FUNCTION_RECURSIVE: error((p: { name: string }) => ({
    what: `the function ${p.name} calls itself`,
    wanted: "functions without recursion",
    found: "a cycle of calls",
    fix: "export the model again",
  })),
  CALL_DOES_NOT_FIT: error(
    (p: { name: string; takes: number; gives: number; inputs: number; outputs: number }) => ({
      what: `a call does not fit the function ${p.name}`,
      wanted: `at most ${p.takes} inputs and ${p.gives} outputs`,
      found: `${p.inputs} and ${p.outputs}`,
      fix: "export the model again",
    }),
  ),
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
    fix: "the rest is left as it was; `tfc inspect` names each; --strict makes this an error",
  })),
  MLP_UNMATCHED: warning((p: { matched: number; seen: number; misses: string }) => ({
    what: `matched ${p.matched} of ${p.seen} MLP blocks`,
    found: p.misses,
    fix: "the rest is left as it was; `tfc inspect` names each; --strict makes this an error",
  })),
  STRICT: error((p: { warnings: number }) => ({
    what: `--strict makes ${p.warnings === 1 ? "the warning" : `the ${p.warnings} warnings`} below an error`,
    fix: "leave out --strict to compile what was understood",
  })),
  SITE_EMPTY: error((p: { site: string }) => ({
    what: `no block was matched for the site "${p.site}"`,
    wanted: "at least one",
    found: "0",
    fix: "leave the site out of --sites; `tfc inspect` says why nothing matched",
  })),
  SITE_DTYPE: error((p: { site: string; dtype: string }) => ({
    what: `an adapter cannot be put at ${p.site}`,
    wanted: "activations of type float, float16, bfloat16 or double",
    found: p.dtype,
    fix: "leave the site out of --sites",
  })),

  PAGED_ATTENTION_UNSUPPORTED: error((p: { op: string; wanted: string; found: string }) => ({
    what: `${p.op} cannot be written with standard ops`,
    wanted: p.wanted,
    found: p.found,
    fix: "leave out --lower-paged-attention and run the model where onnxruntime has a kernel for the op",
  })),

  // ---- options
  OPTION_UNKNOWN_VALUE: error((p: { option: string; value: string; allowed: readonly string[] }) => ({
    what: `${p.option} does not know "${p.value}"`,
    wanted: `one of ${p.allowed.join(", ")}`,
    found: JSON.stringify(p.value),
    fix: `correct ${p.option}`,
  })),
  OPTION_UNKNOWN: error((p: { option: string; owner: string; allowed: readonly string[] }) => ({
    what: `${p.owner} has no option "${p.option}"`,
    wanted: p.allowed.length === 0 ? "no options" : `one of ${p.allowed.join(", ")}`,
    found: JSON.stringify(p.option),
    fix: "correct or remove it",
  })),
  OPTION_OUT_OF_RANGE: error((p: { option: string; wanted: string; found: string }) => ({
    what: `${p.option} is out of range`,
    wanted: p.wanted,
    found: p.found,
    fix: `correct ${p.option}`,
  })),
  HEADS_DO_NOT_DIVIDE: error((p: { heads: number; hidden: number }) => ({
    what: "--heads must divide the hidden size",
    wanted: `a divisor of ${p.hidden}`,
    found: `${p.heads}`,
    fix: "choose another --heads",
  })),
  ADAPTER_TOO_LARGE: error((p: { leaf: string; elements: number; most: number }) => ({
    what: `the adapter would be too large: ${p.leaf} alone has ${p.elements} elements`,
    wanted: `fewer than ${p.most} in one tensor`,
    found: `${p.elements}`,
    fix: "choose a smaller --rank, or fewer --heads",
  })),
  USAGE: error((p: { what: string }) => ({ what: p.what, fix: "see tfc --help" })),
  ALREADY_COMPILED: error((p: { what: string }) => ({
    what: "the model has been compiled by tfc already",
    wanted: "a base model",
    found: p.what,
    fix: "compile the base model, not the compiled one",
  })),

  // ---- files of weights
  SAFETENSORS_INVALID: error((p: { why: string }) => ({
    what: "the file is not a valid safetensors file",
    wanted: "an 8-byte header length, a JSON header, and the tensors' bytes without gaps",
    found: p.why,
    fix: "get the file again",
  })),
  SAFETENSORS_UNSUPPORTED: error((p: { what: string }) => ({
    what: "a safetensors file cannot hold these weights",
    wanted: "tensors of a type the format names, and a header within its limit",
    found: p.what,
    fix: "leave the tensor out, or give it another type",
  })),

  // ---- running
  RUNTIME_MISSING: error(() => ({
    what: "onnxruntime-node is not installed",
    wanted: "the onnxruntime-node package",
    found: "none",
    fix: "npm install onnxruntime-node",
  })),
  RUNTIME_FAILED: error((p: { why: string }) => ({
    what: "onnxruntime refused the model or the run",
    found: p.why,
    fix: "see the message above; `tfc dump` shows the graph",
  })),
  RUNTIME_PROVIDER: error((p: { provider: string; why: string; fix: string }) => ({
    what: `onnxruntime cannot run on ${p.provider} here`,
    wanted: `the ${p.provider} execution provider`,
    found: p.why,
    fix: p.fix,
  })),
  TOKENIZER_INVALID: error((p: { why: string }) => ({
    what: "the tokenizer cannot be loaded",
    wanted: "a tokenizer.json that @huggingface/tokenizers understands",
    found: p.why,
    fix: "give the folder of the model, with the tokenizer.json it was published with",
  })),
  GENERATE_UNSUPPORTED: error((p: { what: string; wanted: string; found: string }) => ({
    what: `this graph cannot generate text: ${p.what}`,
    wanted: p.wanted,
    found: p.found,
    fix: "give a decoder's graph exported with its KV cache, and a value for each input that is not a decoder's",
  })),
  VERIFY_INTERFACE: error((p: { what: string; wanted: string; found: string }) => ({
    what: `the two graphs have different ${p.what}`,
    wanted: p.wanted,
    found: p.found,
    fix: "compare a compiled graph with the base it was compiled from",
  })),
  VERIFY_INPUT: error((p: { name: string; type: string }) => ({
    what: `no value can be made up for the input "${p.name}"`,
    wanted: "a tensor of numbers or booleans",
    found: p.type,
    fix: "compare these models by hand",
  })),
  VERIFY_NO_CASE: error((p: { why: string }) => ({
    what: "the graphs were not compared: the base model ran on no input that was made up",
    wanted: "at least one case that the base model accepts",
    found: p.why,
    fix: "give the sizes that the model takes, or compare these models by hand",
  })),
  OUTPUTS_DIFFER: error((p: { output: string; wanted: string; found: string }) => ({
    what: `the output "${p.output}" differs`,
    wanted: p.wanted,
    found: p.found,
    fix: "expected after training; for a freshly compiled model this is a bug: please report it",
  })),

  // ---- us
  INTERNAL: error((p: { what: string }) => ({
    what: `a bug in tfc: ${p.what}`,
    fix: "please report this, with the command and, if you can, the model",
  })),
} as const;

export type Code = keyof typeof codes;
export type Params<C extends Code> = Parameters<(typeof codes)[C]["text"]>[0];
