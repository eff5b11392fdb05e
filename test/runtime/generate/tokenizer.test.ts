import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { loadTokenizer } from "../../../runtime/generate/tokenizer.ts";
import { temporaryFolder } from "../../support/folder.ts";

const source = path.resolve(import.meta.dirname, "../../../samples/models/austen-llama");
const folder = temporaryFolder();

interface Definition {
  post_processor: unknown;
  model: { vocab: Record<string, unknown> };
}

/** The sample's tokenizer with a change. */
function changed(change: (definition: Definition) => void): ReturnType<typeof loadTokenizer> {
  const definition = JSON.parse(readFileSync(path.join(source, "tokenizer.json"), "utf8")) as Definition;
  change(definition);
  writeFileSync(path.join(folder, "tokenizer.json"), JSON.stringify(definition));
  copyFileSync(path.join(source, "tokenizer_config.json"), path.join(folder, "tokenizer_config.json"));
  return loadTokenizer(folder);
}

describe("a tokenizer whose files are wrong", () => {
  it("in what shows only when text is encoded names the file", () => {
    const tokenizer = changed((definition) => {
      definition.post_processor = { type: "TemplateProcessing", single: 7, pair: 7 };
    });
    expect(() => tokenizer.encode("Emma")).toThrow(
      new RegExp(`${path.join(folder, "tokenizer.json")}: error TOKENIZER_INVALID`),
    );
  });

  it("in the ids of its tokens names the id", () => {
    const tokenizer = changed(({ model }) => {
      for (const token of Object.keys(model.vocab)) model.vocab[token] = 0.5;
    });
    expect(() => tokenizer.encode("Emma")).toThrow(/TOKENIZER_INVALID[^]*a token of the id 0\.5/);
  });
});
