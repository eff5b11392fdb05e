import { error, note, warning } from "./row.ts";

/** Messages about packages for other engines. */
export const packagingCodes = {
  // ---- bindings
  BINDINGS_FOREIGN: error((p: { file: string; begins: string }) => ({
    what: "the file for bindings is there already, and tfc has not written it",
    wanted: "no file, or one that begins with " + JSON.stringify(p.begins),
    found: `${p.file}, which begins otherwise`,
    fix: "choose another file for `bindings`, or take this one away",
  })),
  // ---- packages for engines
  PACKAGE_REFUSED: error(
    (p: { engine: string; what: string; wanted: string; found: string; fix?: string }) => ({
      what: `${p.engine} cannot run this graph: ${p.what}`,
      wanted: p.wanted,
      found: p.found,
      fix: p.fix ?? "export the model in that form, or serve it with another engine (docs/scale.md)",
    }),
  ),
  PACKAGE_SETTING_UNKNOWN: error((p: { setting: string; option?: string }) => ({
    what: `neither the graph nor a configuration says ${p.setting}`,
    wanted: "a config.json or genai_config.json of the model in this folder",
    found: `none with ${p.setting}`,
    fix: `give the folder of the model's tokenizer and configuration as \`tokenizer\`${p.option === undefined ? "" : `, or give \`${p.option}\``}`,
  })),
  PACKAGE_CONFIG_INVALID: error((p: { why: string }) => ({
    what: "the configuration that is there cannot be read",
    wanted: "Triton's model configuration, in protobuf's text format",
    found: p.why,
    fix: "correct the file, or take it away: then it is written anew",
  })),
  PACKAGE_VERSION_DIFFERS: error((p: { name: string; wanted: string; found: string }) => ({
    what: `the configuration that is there is of another interface: this model differs in ${JSON.stringify(p.name)}`,
    wanted: p.wanted,
    found: p.found,
    fix: "versions share one configuration: give this model a `name` of its own",
  })),
  PACKAGE_CACHE_SENT: note(() => ({
    what: "the cache grows with each token, and Triton keeps none that begins empty: clients send it with each request and get it back",
    fix: "to have Triton keep it, compile with `kv: shared`",
  })),
  PACKAGE_RENAMED: note(() => ({
    what: "the names of caches follow no pattern that onnxruntime-genai can be told: in the package they have its own, such as past_key_values.0.key",
  })),
  PACKAGE_ROWS: note((p: { rows: number }) => ({
    what: `the packaged graph takes ${p.rows} rows, no fewer, and onnxruntime-genai begins with one`,
    fix: `call params.set_search_options(batch_size=${p.rows}), and give it as many prompts`,
  })),
  PACKAGE_LAST_LOGITS: warning(() => ({
    what: "the packaged graph computes logits of the last position only, which in a batch is a padding of the shorter prompts: onnxruntime-genai pads behind them",
    fix: "give it prompts one by one or of one length, or compile with `lastLogits: rows`, which finds each row's own last token",
  })),
  PACKAGE_ADAPTER_INPUTS: note((p: { count: number }) => ({
    what: `${p.count} ${p.count === 1 ? "input is" : "inputs are"} of an adapter: onnxruntime-genai fills them from an .onnx_adapter file, and does not run without one`,
    fix: "write one with `tfc adapter export`, load it with og.Adapters, and make it active; with `residence: optional-inputs` the graph also runs without",
  })),
  PACKAGE_MEMBER_INPUT: note((p: { name: string }) => ({
    what: `${JSON.stringify(p.name)} chooses each row's adapter, and onnxruntime-genai does not feed it by itself`,
    fix: `call generator.set_model_input(${JSON.stringify(p.name)}, ids) before tokens are added; -1 is the base`,
  })),
  PACKAGE_NO_TOKENIZER: warning(() => ({
    what: "there is no tokenizer.json in this folder: the package takes and gives token ids only",
    fix: "give the folder of the model's tokenizer as `tokenizer`",
  })),
  PACKAGE_TOKENIZER_WRITTEN: note(() => ({
    what: "onnxruntime-genai would read the model's tokenizer.json as one of SentencePiece, for steps of its decoder that do nothing behind bytes: the package has it without them",
  })),
  PACKAGE_TOKENIZER_DIFFERS: warning(() => ({
    what: "onnxruntime-genai reads this tokenizer.json as one of SentencePiece, and splits texts otherwise than the model's tokenizer",
    fix: "write the package to another folder, which then has a tokenizer.json that genai reads rightly",
  })),
  PACKAGE_NO_END: warning(() => ({
    what: "no configuration in this folder says which token ends a text: onnxruntime-genai takes the one of padding, 0",
    fix: "give the folder of the model's generation_config.json or config.json as `tokenizer`",
  })),
} as const;
