import { meantText } from "./closest.ts";
import { error, note } from "./row.ts";

/** Messages about running graphs. */
export const runningCodes = {
  // ---- running
  RUNTIME_MISSING: error(() => ({
    what: "onnxruntime-node is not installed",
    wanted: "the onnxruntime-node package",
    found: "none",
    fix: "npm install onnxruntime-node",
  })),
  RUNTIME_FAILED: error((p: { why: string; optimizations?: "off" | "all" }) => ({
    what: `onnxruntime refused the model or the run${p.optimizations === undefined ? "" : ` (optimizations ${p.optimizations})`}`,
    found: p.why,
    fix: "see the message above; `tfc dump` shows the graph",
  })),
  RUNTIME_NO_KERNEL: error((p: { op: string; opset: number; provider: string; type: string | null }) => ({
    what: `onnxruntime has no kernel on ${p.provider} for an op of this graph`,
    wanted: `ops that it runs there${p.type === null ? "" : `: few take ${p.type}`}`,
    found: `${p.op} of opset ${p.opset}, in types that none takes`,
    fix:
      p.type === "bfloat16"
        ? "run it with `device` cuda, or take the model in float32 or float16"
        : "run it on another `device`, or export the model otherwise; `tfc dump` shows the graph",
  })),
  FUNCTIONS_TOO_LARGE: error((p: { nodes: number; most: number }) => ({
    what: "the model's functions call each other too often to be run: onnxruntime writes out each call",
    wanted: `at most ${p.most} nodes once they are`,
    found: Number.isFinite(p.nodes) ? String(p.nodes) : "more than can be counted",
    fix: "export the model with fewer functions inside functions",
  })),
  PAGED_ATTENTION_UNRUN: error((p: { why: string }) => ({
    what: "onnxruntime does not run this graph's paged attention here",
    wanted: "a provider with a kernel of it, such as CUDA has in float16 and bfloat16",
    found: p.why,
    fix: "run it with `device` cuda; to run it anywhere, compile it with `lowerPagedAttention`, which writes paged attention with standard ops",
  })),
  RUNTIME_PROVIDER: error((p: { provider: string; why: string; fix: string }) => ({
    what: `onnxruntime cannot run on ${p.provider} here`,
    wanted: `the ${p.provider} execution provider`,
    found: p.why,
    fix: p.fix,
  })),
  INPUT_UNKNOWN: error((p: { name: string; known: readonly string[] }) => ({
    what: `the graph has no input ${JSON.stringify(p.name)}`,
    wanted: `one of ${p.known.join(", ")}`,
    found: JSON.stringify(p.name),
    fix: `leave it out, or correct its name${meantText(p.name, p.known)}`,
  })),
  INPUT_INVALID: error((p: { wanted: string; found: string }) => ({
    what: "a value given to the graph is not a tensor",
    wanted: p.wanted,
    found: p.found,
    fix: "give { dtype, dims, data } with as many elements as the dims hold, or use tensorFrom",
  })),
  SESSION_CLOSED: error(() => ({
    what: "the session has been closed",
    wanted: "an open session",
    found: "one after close()",
    fix: "open the model again with openSession",
  })),
  GENERATE_OPTION: error((p: { option: string; wanted: string; found: string }) => ({
    what: `${p.option} is not valid`,
    wanted: p.wanted,
    found: p.found,
    fix: `correct ${p.option}`,
  })),
  GENERATE_LOGITS: error((p: { found: string; isRuled?: boolean }) => ({
    what: "no token can be chosen by what the graph computed",
    wanted: "a number for each token of the vocabulary, one of them finite at least",
    found: p.isRuled === true ? `${p.found}, since generation_config.json forbids what is left` : p.found,
    fix:
      p.isRuled === true
        ? "look at what generation_config.json says of tokens that are suppressed, bad, or not repeated"
        : "check the weights of the model and of the adapter; in float16 numbers may have become too large: try float32",
  })),
  MODEL_FOLDER: error((p: { found: readonly string[] }) => ({
    what: "the folder does not say which of its models is meant",
    wanted: "a genai_config.json that names its decoder, a model.onnx, or one model alone",
    found: p.found.length === 0 ? "no .onnx file" : p.found.join(", "),
    fix: "give the .onnx file itself",
  })),
  PROMPT_EMPTY: error(() => ({
    what: "the prompt is empty",
    wanted: "at least one token",
    found: "none",
    fix: "give a prompt; in code, the id of the first token alone makes a text out of nothing",
  })),
  PROMPT_TOO_LONG: error((p: { tokens: number; most: number }) => ({
    what: "the prompt is longer than the model's context",
    wanted: `${p.most} tokens at most, so that there is room for one more`,
    found: String(p.tokens),
    fix: "shorten the prompt; of a graph with shared caches, compile with a larger `maxLength`",
  })),
  TOKEN_UNKNOWN: error((p: { id: string; at: number; last: string }) => ({
    what: `the prompt has a token id that the model does not know, at index ${p.at}`,
    wanted: `whole numbers from 0 to ${p.last}`,
    found: p.id,
    fix: "encode the prompt with the model's own tokenizer",
  })),
  REQUEST_QUEUE_FULL: error((p: { waiting: number }) => ({
    what: "too many requests are waiting",
    wanted: `${p.waiting} at most`,
    found: "one more",
    fix: "ask again later, or load the model with a larger `maxQueue`",
  })),
  MODEL_CLOSED: error(() => ({
    what: "the model has been closed",
    wanted: "an open model",
    found: "one after close()",
    fix: "load it again with loadModel, and close it when its answers are there",
  })),
  ENGINE_STOPPED: error((p: { why: string }) => ({
    what: "the thread that runs the model has stopped",
    wanted: "a thread that runs until the model is closed",
    found: p.why,
    fix: "load the model again; where memory ran out, with a smaller `maxBatch`",
  })),
  GENERATE_UNSUPPORTED: error(
    (p: { what: string; wanted: string; found: string; fixed?: "batch" | "tokens" }) => ({
      what: `this graph cannot generate text: ${p.what}`,
      wanted: p.wanted,
      found: p.found,
      fix:
        p.fixed === "batch"
          ? "give a graph of one row or of any number: compile its base with `batch: 1` or without `batch`, or export it with a batch of any size"
          : p.fixed === "tokens"
            ? "export the model with any number of new tokens beside its cache"
            : "give a decoder's graph exported with its KV cache, and a value for each input that is not a decoder's",
    }),
  ),
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
  LOGITS_FILE: error((p: { what: string; wanted: string; found: string }) => ({
    what: `recorded inputs and outputs do not fit the graph: ${p.what}`,
    wanted: p.wanted,
    found: p.found,
    fix: "write a safetensors or .npz file with the token ids and the logits, by the names that the graph has for them",
  })),
  VERIFY_LOAD_IMPOSSIBLE: error((p: { why: string }) => ({
    what: `the adapter cannot be computed apart from the compiled graph: ${p.why}`,
    wanted: "an adapter, and the graph that was compiled with it",
    found: "what cannot be compared with a base and an adapter",
    fix: "compare with logits that another program recorded, by `--logits`",
  })),
  VERIFY_WIDENED: note(() => ({
    what: "the CPU has no kernels for bfloat16: the graph is computed in float32, with its rounded weights",
    fix: "give --provider cuda to run it in its own type",
  })),
  VERIFY_BFLOAT16: error((p: { name: string }) => ({
    what: `the graph cannot be run from here: ${JSON.stringify(p.name)} is bfloat16, which JavaScript cannot hold`,
    wanted: "inputs and outputs of other types",
    found: "bfloat16",
    fix: "export the base in float32 or float16 and verify that; the adapters are compiled alike",
  })),
  VERIFY_BFLOAT16_CPU: note(() => ({
    what: "the weights are bfloat16, for which onnxruntime has few kernels on the CPU: the model may not load",
    fix: "where it does not, give `provider: cuda`, or export the base in float32 and verify that",
  })),
  VERIFY_SYMBOL: error((p: { name: string; known: readonly string[] }) => ({
    what: `no input has a dimension named ${JSON.stringify(p.name)}`,
    wanted: p.known.length === 0 ? "no sizes: every dimension is fixed" : `one of ${p.known.join(", ")}`,
    found: JSON.stringify(p.name),
    fix: "correct `size`; `tfc inspect` shows the inputs",
  })),
  VERIFY_NO_CASE: error((p: { why: string }) => ({
    what: "the graphs were not compared: no case was run",
    wanted: "at least one case that the base accepts and both graphs have room for",
    found: p.why,
    fix: "give `cases` of sizes that both graphs take, or compare these models by hand",
  })),
  OUTPUTS_DIFFER: error((p: { output: string; wanted: string; found: string; fix: string }) => ({
    what: `the output "${p.output}" differs`,
    wanted: p.wanted,
    found: p.found,
    fix: p.fix,
  })),
} as const;
