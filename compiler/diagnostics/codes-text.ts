import { error, note, warning } from "./row.ts";

/** Messages about what lies beside a graph that generates text: its tokenizer, its configuration, its template. */
export const textCodes = {
  MODEL_CONFIG: error((p: { why: string; wanted?: string }) => ({
    what: "the model's configuration cannot be used",
    wanted: p.wanted ?? "one JSON object",
    found: p.why,
    fix: "repair the file, or put the one there that the model was published with",
  })),
  GENERATION_CONFIG_IGNORED: warning((p: { name: string; value: string; isLoop: boolean }) => ({
    what: p.isLoop
      ? `${p.name} is not applied: the graph generates by itself, and its loop has no such rule`
      : `${p.name} is not applied: answers may be others than those of transformers' generate`,
    wanted: "a file without it",
    found: p.value,
    fix: p.isLoop
      ? "run the same compilation without `decodeLoop`, or leave the setting out"
      : "leave it out of the file where answers without it are what you want",
  })),
  TOKENIZER_INVALID: error((p: { why: string }) => ({
    what: "the tokenizer cannot be used",
    wanted: "a tokenizer.json that @huggingface/tokenizers understands",
    found: p.why,
    fix: "give the folder of the model, with the tokenizer.json it was published with",
  })),
  TOKENIZER_ENDED: error((p: { why: string }) => ({
    what: "the thread that turns long texts into token ids ended before it had done with this one",
    wanted: "the text's token ids",
    found: p.why,
    fix: "try again; where memory ran out, with a shorter text",
  })),
  TOKENIZER_MISSING: error((p: { why: string; isTraining?: boolean }) => ({
    what: `the model has no tokenizer, and ${p.why}`,
    wanted: "a tokenizer.json in the model's folder, or in the one that `tokenizer` names",
    found: "none",
    fix: `give \`tokenizer: DIR\`, the folder of the tokenizer.json that the model was published with, or put that file beside the model${p.isTraining === true ? "" : "; in code, give token ids and read them from pieces()"}`,
  })),
  TOKENIZER_VOCABULARY: error((p: { wanted: number; found: string }) => ({
    what: "the tokenizer is one of another model",
    wanted: `one for the ${p.wanted} tokens that the graph has logits for`,
    found: p.found,
    fix: "give the folder of the model's own tokenizer by `tokenizer`",
  })),
  CHAT_TEMPLATE_MISSING: error((p: { names: readonly string[] }) => ({
    what: "the model has no chat template: a conversation cannot be laid out",
    wanted: "a chat_template.jinja beside the tokenizer, or a `chat_template` in its tokenizer_config.json",
    found: p.names.length === 0 ? "none" : `templates named ${p.names.join(", ")}, and none named default`,
    fix: "give a prompt; or the folder of a chat model's tokenizer by `tokenizer`",
  })),
  CHAT_TEMPLATE_INVALID: error((p: { why: string }) => ({
    what: "the chat template cannot be used",
    wanted: "a template in Jinja that @huggingface/jinja understands",
    found: p.why,
    fix: "put the chat_template.jinja there that the model was published with",
  })),
  CHAT_TEMPLATE_REFUSED: error((p: { why: string }) => ({
    what: "the model's chat template refuses the conversation",
    wanted: "roles in the order that the model was trained on",
    found: p.why,
    fix: "change the messages as the template says; many models take no system message, or users and assistants in turn",
  })),
  OPTION_GREEDY: note((p: { option: string }) => ({
    what: `\`${p.option}\` does nothing at temperature 0, where the likeliest token is taken each time`,
    fix: "give `temperature` to sample",
  })),
} as const;
