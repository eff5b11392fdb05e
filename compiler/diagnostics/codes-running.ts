import { error } from "./row.ts";

/** Messages about running graphs. */
export const runningCodes = {
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
} as const;
