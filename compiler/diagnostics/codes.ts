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
  SITE_EMPTY: error((p: { site: string; found: string }) => ({
    what: `no block was matched for the site "${p.site}"`,
    wanted: "a place for it in every layer that is named, and in some layer where none is",
    found: p.found,
    fix: "correct --sites; `tfc inspect` says why nothing matched",
  })),
  SITE_DTYPE: error((p: { site: string; dtype: string }) => ({
    what: `an adapter cannot be put at ${p.site}`,
    wanted: "activations of type float, float16, bfloat16 or double",
    found: p.dtype,
    fix: "leave the site out of --sites",
  })),

  SITE_PARTIAL: warning((p: { site: string; blocks: readonly string[] }) => ({
    what: `${p.site} was not found in ${p.blocks.length} ${p.blocks.length === 1 ? "block" : "blocks"}, which ${p.blocks.length === 1 ? "has" : "have"} no adapter there`,
    found: `no such projection in ${p.blocks.join(", ")}`,
    fix: "name the layers that have it (--sites q_proj@0-3), or leave the site out",
  })),
  REPLACE_IMPOSSIBLE: error((p: { site: string; why: string }) => ({
    what: `${p.site} cannot be replaced by token-parameter attention`,
    wanted: "a projection by itself, all parts of a packed one, or an MLP",
    found: p.why,
    fix: "correct --replace",
  })),
  REPLACE_WEIGHTS_MISSING: error((p: { site: string }) => ({
    what: `the file has no weights for ${p.site}, which is to be replaced`,
    wanted: "key and value parameter tokens for all that is replaced",
    found: "none at this site",
    fix: "correct --replace to what the file has, or leave out --load for fresh weights",
  })),
  SITE_TWICE: error((p: { site: string; kinds: readonly string[] }) => ({
    what: `two adapters are asked for at ${p.site}`,
    wanted: "one at each site",
    found: p.kinds.join(" and "),
    fix: "leave the site out of one of the two",
  })),
  ADAPTER_SITE_MISSING: error((p: { site: string; model: string }) => ({
    what: `the model has no place for the adapter of ${p.site}`,
    wanted: "a block or projection of this layer that was understood",
    found: "none",
    fix: `give an adapter of this model, or see \`tfc inspect ${p.model}\` for what it has`,
  })),
  ADAPTER_LEAF_SHAPE: error((p: { wanted: string; found: string }) => ({
    what: "an adapter's weight does not fit its place in the model",
    wanted: `[${p.wanted}]`,
    found: `[${p.found}]`,
    fix: "give an adapter that was trained for this model",
  })),
  OVERRIDE_REFUSED: error((p: { model: string; why: string }) => ({
    what: `a weight of the base that the checkpoint brings along cannot be put into ${p.model}`,
    wanted: "a parameter that the graph has, in a float type",
    found: p.why,
    fix: "compile the float export of the base, or take the weight out of the checkpoint",
  })),
  BASE_MISMATCH: error((p: { wanted: string; found: string; difference: string }) => ({
    what: "the adapter belongs to another base model",
    wanted: `base ${p.wanted}`,
    found: `base ${p.found}: ${p.difference}`,
    fix: "give an adapter that was trained for this base, or --force to use it all the same",
  })),
  ADAPTER_NOT_FINITE: error((p: { index: number; dtype: string }) => ({
    what: "an adapter's weight is no number",
    wanted: "finite numbers",
    found: `NaN or infinity at index ${p.index}, as ${p.dtype}`,
    fix: "train again with a smaller learning rate, or take an earlier checkpoint",
  })),
  BANK_MIXED: error((p: { site: string; wanted: string; found: string }) => ({
    what: `the adapters of a bank differ in kind at ${p.site}`,
    wanted: p.wanted,
    found: p.found,
    fix: "make a bank of adapters of one kind (and, for scalarlm, one number of heads)",
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
  OPTION_CONFLICT: error((p: { option: string; other: string }) => ({
    what: `${p.option} does not go with ${p.other}`,
    wanted: "one of the two",
    found: "both",
    fix: "leave one of them out",
  })),
  HEADS_DO_NOT_DIVIDE: error((p: { heads: number; hidden: number }) => ({
    what: "--heads must divide the hidden size",
    wanted: `a divisor of ${p.hidden}`,
    found: `${p.heads}`,
    fix: "choose another --heads",
  })),
  RESIZE_DIRECTION: error((p: { how: "grow" | "shrink"; size: string; wanted: string; found: number }) => ({
    what: `tfc ${p.how} cannot make this ${p.size}`,
    wanted: p.wanted,
    found: String(p.found),
    fix: p.how === "grow" ? "use tfc shrink for less" : "use tfc grow for more",
  })),
  RESIZE_NOTHING: error((p: { asked: readonly string[]; usable: readonly string[] }) => ({
    what: "the adapter has nothing of the size that was given",
    wanted: p.usable.join(", "),
    found: p.asked.map((name) => `--${name}`).join(", "),
    fix: "give the size that its kinds have",
  })),
  GROWTH_INEXACT: error((p: { norm: string }) => ({
    what: `an adapter with ${p.norm} cannot grow and stay what it is`,
    wanted: "a norm under which a token whose key is zeros weighs nothing: l2_norm_gelu or gelu_l2_norm",
    found: `${p.norm}, under which it weighs exp(0) = 1 beside the others`,
    fix: "train another adapter with more tokens, or one with another --norm",
  })),
  ADAPTER_TOO_LARGE: error((p: { leaf: string; elements: number; most: number }) => ({
    what: `the adapter would be too large: ${p.leaf} alone has ${p.elements} elements`,
    wanted: `fewer than ${p.most} in one tensor`,
    found: `${p.elements}`,
    fix: "choose a smaller --rank, or fewer --heads",
  })),
  CONFIG_INVALID: error((p: { wanted: string; found: string }) => ({
    what: "the configuration is not valid",
    wanted: p.wanted,
    found: p.found,
    fix: "correct the configuration; docs/guide.md shows one",
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
  TORCH_INVALID: error((p: { why: string }) => ({
    what: "the file is not a valid PyTorch checkpoint",
    wanted: "a zip archive of data.pkl and the tensors' bytes, as torch.save writes it",
    found: p.why,
    fix: "get the file again",
  })),
  TORCH_FORBIDDEN: error((p: { what: string }) => ({
    what: "the PyTorch checkpoint asks for more than data, which tfc never runs",
    wanted: "tensors, numbers, text, lists and dicts only",
    found: p.what,
    fix: "save plain data alone, such as torch.save(model.state_dict(), file), and only open files that you trust",
  })),
  TORCH_UNSUPPORTED: error((p: { what: string; fix?: string }) => ({
    what: "tfc does not take this in a PyTorch checkpoint",
    wanted: "little-endian tensors and plain values, as torch.save writes them since PyTorch 1.6",
    found: p.what,
    fix: p.fix ?? "leave it out, or save it as plain tensors",
  })),
  ONNX_ADAPTER_INVALID: error((p: { why: string }) => ({
    what: "the file is not a valid .onnx_adapter file",
    wanted: "a flatbuffer as onnxruntime writes it, with the identifier TORT and format_version 1",
    found: p.why,
    fix: "get the file again",
  })),
  ONNX_ADAPTER_UNSUPPORTED: error((p: { what: string }) => ({
    what: "onnxruntime would not read these weights from an .onnx_adapter file",
    wanted: "named tensors of one dimension or more, of integers or of floats with at least 8 bits",
    found: p.what,
    fix: "leave the tensor out, give it another type or shape, or keep it in a safetensors file",
  })),
  ONNX_ADAPTER_TOO_LARGE: error((p: { bytes: number; most: number }) => ({
    what: "an .onnx_adapter file cannot hold weights above 2 GiB",
    wanted: `at most ${p.most} bytes`,
    found: `${p.bytes} bytes`,
    fix: "keep the weights in a safetensors file",
  })),

  // ---- adapters in files
  ADAPTER_FORMAT_UNKNOWN: error((p: { found: string }) => ({
    what: "this is no adapter in a format that tfc reads",
    wanted:
      "a safetensors, PyTorch or .onnx_adapter file, a PEFT folder (adapter_config.json) or one of ScalarLM's checkpoints (checkpoint_*.pt)",
    found: p.found,
    fix: "give the file or folder that the training wrote",
  })),
  ADAPTER_EMPTY: error((p: { weights: number }) => ({
    what: "there is no adapter in the file",
    wanted: "leaves of an adapter kind, such as model.layers.0.mlp.tokenformer_k",
    found: p.weights === 0 ? "no weights" : `${p.weights} weights of a base model and nothing else`,
    fix: "give the file that the training of the adapter wrote",
  })),
  ADAPTER_WEIGHT_UNKNOWN: error((p: { what: string; more: number }) => ({
    what: `tfc cannot apply a weight${p.more === 0 ? "" : ` (and ${p.more} more)`}, and leaves none out`,
    wanted: "leaves of adapters at attention, MLPs and their projections, or weights of a Llama",
    found: p.what,
    fix: "train without it, or take it out of the file if the model does not need it",
  })),
  ADAPTER_LEAF_TWICE: error((p: { first: string }) => ({
    what: "two weights of the file are the same one by their names",
    wanted: "one adapter in a file, and each of its weights once",
    found: `also ${JSON.stringify(p.first)}`,
    fix: "save the adapters to files of their own",
  })),
  ADAPTER_LEAF_MISSING: error((p: { kind: string; missing: readonly string[] }) => ({
    what: `the ${p.kind} adapter of a site is not complete`,
    wanted: `the ${p.missing.length === 1 ? "leaf" : "leaves"} ${p.missing.join(", ")}`,
    found: "none of this name",
    fix: "get the file again, or save the whole adapter",
  })),
  ADAPTER_SHAPE_INVALID: error((p: { wanted: string; found: string }) => ({
    what: "a weight of the adapter has a shape that does not fit",
    wanted: p.wanted,
    found: p.found,
    fix: "get the file again, or check what it was trained for",
  })),
  ADAPTER_DTYPE: error((p: { dtype: string }) => ({
    what: "a weight of the adapter has a type that tfc does not compute in",
    wanted: "float, float16, bfloat16 or double",
    found: p.dtype,
    fix: "save the adapter unquantized",
  })),
  ADAPTER_ALPHA_UNKNOWN: error((p: { setting: string }) => ({
    what: `the file does not say the adapter's ${p.setting}, without which its weights mean nothing`,
    wanted: `${p.setting}, in the file or as an option`,
    found: "leaves alone",
    fix: `give --${p.setting}, or the folder with the adapter_config.json that belongs to the file`,
  })),
  ADAPTER_SETTING_INVALID: error((p: { wanted: string; found: string }) => ({
    what: "the settings of an adapter do not fit",
    wanted: p.wanted,
    found: p.found,
    fix: "leave out what contradicts the file, or get the file again",
  })),
  ADAPTER_METADATA_INVALID: error((p: { why: string }) => ({
    what: "what the file says of its adapter is not true of it, or not understood",
    wanted: "settings and sites of all its leaves, as `tfc adapter import` writes them",
    found: p.why,
    fix: "import the adapter again from what it was trained to",
  })),
  PEFT_CONFIG_INVALID: error((p: { field: string; wanted: string; found: string }) => ({
    what: `adapter_config.json is not valid${p.field === "" ? "" : `: ${p.field}`}`,
    wanted: p.wanted,
    found: p.found,
    fix: "save the adapter again, or correct the file",
  })),
  PEFT_UNSUPPORTED: error((p: { what: string; found: string }) => ({
    what: `the PEFT adapter uses ${p.what}, which tfc does not have`,
    wanted: "LoRA of linear projections",
    found: p.found,
    fix: "merge the adapter into the model with PEFT, or train one of plain LoRA",
  })),
  PEFT_CONTRADICTS: error((p: { wanted: string; found: string }) => ({
    what: "adapter_config.json and the weights contradict each other",
    wanted: p.wanted,
    found: p.found,
    fix: "put the two files together that were saved together",
  })),
  ADAPTER_FORMAT_CANNOT: error((p: { format: string; what: string; fix?: string }) => ({
    what: `${p.format} cannot hold this adapter`,
    wanted: "an adapter that the format has a place for",
    found: p.what,
    fix: p.fix ?? "export to .safetensors, which holds every adapter",
  })),
  ADAPTERS_DIFFER: error((p: { differences: number; first: string }) => ({
    what: `the adapters differ in ${p.differences} ${p.differences === 1 ? "place" : "places"}`,
    wanted: "the same sites, settings and numbers",
    found: p.first,
    fix: "see the report; --tolerance allows for rounding",
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
  ADAPTER_KIND_OTHER: error((p: { wanted: string; found: string }) => ({
    what: "the graph was compiled for adapters of another kind",
    wanted: p.wanted,
    found: p.found,
    fix: "give an adapter of this kind, or compile the graph for the other one",
  })),
  ADAPTER_INPUTS_NONE: error(() => ({
    what: "the graph takes no adapters as inputs",
    wanted: "a graph compiled with --adapters inputs",
    found: "no such inputs",
    fix: "compile the base with --adapters inputs",
  })),
  ADAPTER_NAME_UNKNOWN: error((p: { name: string; known: readonly string[] }) => ({
    what: `no adapter ${JSON.stringify(p.name)} has been loaded`,
    wanted: p.known.length === 0 ? "an adapter that was loaded" : `one of ${p.known.join(", ")}`,
    found: JSON.stringify(p.name),
    fix: "load it first",
  })),
  ADAPTER_IDS_RANGE: error((p: { members: number; found: string }) => ({
    what: "an adapter id is out of range",
    wanted: `-1 for the base, or one from 0 to ${p.members - 1}`,
    found: p.found,
    fix: "correct --adapter-ids",
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
