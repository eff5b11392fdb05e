import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { readModelConfig, type ModelConfig } from "../../../runtime/generate/model-config.ts";
import { candidatesOf, ruledSampler } from "../../../runtime/generate/sampling.ts";
import { temporaryFolder } from "../../support/folder.ts";

/** What transformers computes: samples/export/rules_oracle.py. */
interface Oracle {
  readonly logits: Readonly<Record<string, readonly number[]>>;
  readonly ends: readonly number[];
  readonly most: number;
  readonly cases: readonly {
    readonly logits: string;
    readonly ids: readonly number[];
    readonly prompt: number;
    readonly settings: Readonly<Record<string, unknown>>;
    readonly probabilities: Readonly<Record<string, number>>;
  }[];
}

const oracle = JSON.parse(readFileSync(path.join(import.meta.dirname, "rules.json"), "utf8")) as Oracle;
const root = temporaryFolder();
let count = 0;

function configOf(settings: object, name = "generation_config.json"): ModelConfig {
  const folder = path.join(root, String(count++));
  mkdirSync(folder);
  writeFileSync(path.join(folder, name), JSON.stringify(settings));
  return readModelConfig([folder]);
}

describe("settings of generation_config.json do what they do in transformers", () => {
  it.each(
    oracle.cases.map((one) => [one.logits, one.ids.length, JSON.stringify(one.settings), one] as const),
  )("%s, %d tokens, %s", (_, __, ___, { logits, ids, prompt, settings, probabilities }) => {
    const { sampling, rules } = configOf(settings);
    const { temperature = 1 } = settings as { temperature?: number };
    const answer = { rules, prompt, ends: oracle.ends, most: oracle.most };
    const given = Float32Array.from(oracle.logits[logits] ?? []);
    const found = candidatesOf(given, ids, { ...sampling, temperature }, answer).probabilities();
    expect(Object.fromEntries([...found].filter(([, p]) => p > 1e-12))).toEqual(
      Object.fromEntries(
        Object.entries(probabilities).map(([id, p]) => [id, expect.closeTo(p, 5) as unknown]),
      ),
    );
    expect(given).toEqual(Float32Array.from(oracle.logits[logits] ?? []));
  });
});

describe("rules", () => {
  const logits = Float32Array.of(1, 3, 2);
  const most = 9;

  it("hold when greedy, those of sampling aside", () => {
    const { rules } = configOf({ suppress_tokens: [1], epsilon_cutoff: 0.99 });
    expect(ruledSampler({}, { rules, prompt: 1, ends: [], most })(logits, [0])).toBe(2);
  });

  it("that leave no token are told from logits that are broken", () => {
    const { rules } = configOf({ suppress_tokens: [0, 1, 2] });
    expect(() => ruledSampler({}, { rules, prompt: 1, ends: [], most })(logits, [0])).toThrow(
      expect.objectContaining({
        code: "GENERATE_LOGITS",
        diagnostics: [
          expect.objectContaining({ found: expect.stringContaining("generation_config.json") as unknown }),
        ],
      }),
    );
  });

  it("with ids that have no logits leave the others alone", () => {
    const { rules } = configOf({ suppress_tokens: [1, 300], bad_words_ids: [[300], [0, 400]] });
    expect(ruledSampler({}, { rules, prompt: 1, ends: [500], most })(logits, [0])).toBe(2);
  });

  it("are none where settings change nothing", () => {
    const neutral = {
      ...{ no_repeat_ngram_size: 0, encoder_no_repeat_ngram_size: 0, encoder_repetition_penalty: 1.0 },
      ...{ min_length: 0, min_new_tokens: null, typical_p: 1.0, epsilon_cutoff: 0.0, eta_cutoff: 0.0 },
      ...{ suppress_tokens: [], bad_words_ids: null, sequence_bias: null, num_beams: 1, guidance_scale: 1 },
    };
    const config = configOf(neutral);
    expect([config.rules, config.ignored(false), config.ignored(true)]).toEqual([{}, [], []]);
  });

  it("stand in config.json where there is no generation_config.json", () => {
    const settings = { no_repeat_ngram_size: 3, repetition_penalty: 1.5 };
    expect(configOf(settings, "config.json")).toMatchObject({
      rules: { noRepeatNgramSize: 3 },
      sampling: { repetitionPenalty: 1.5 },
    });
  });
});

describe("settings that are not applied", () => {
  it("are named with their values", () => {
    const found = configOf({ num_beams: 4, penalty_alpha: 0.6, min_length: 3 }).ignored(false);
    expect(found.map(({ code, found, place }) => [code, found, path.basename(place.file ?? "")])).toEqual([
      ["GENERATION_CONFIG_IGNORED", "4", "generation_config.json"],
      ["GENERATION_CONFIG_IGNORED", "0.6", "generation_config.json"],
    ]);
    expect(found[0]?.what).toContain("num_beams is not applied");
  });

  it("are all rules of tokens where a graph generates by itself", () => {
    const config = configOf({ bad_words_ids: [[1]], typical_p: 0.5, top_k: 5 });
    expect(config.ignored(false)).toEqual([]);
    expect(config.ignored(true).map(({ what }) => what.split(" ")[0])).toEqual([
      "bad_words_ids",
      "typical_p",
    ]);
  });
});

it.each([
  [{ no_repeat_ngram_size: 1.5 }, "no_repeat_ngram_size: a whole number"],
  [{ bad_words_ids: [5] }, "bad_words_ids: a list of lists of token ids, none of them empty"],
  [{ bad_words_ids: [[]] }, "bad_words_ids: a list of lists of token ids, none of them empty"],
  [{ sequence_bias: { "5": 1 } }, "sequence_bias: a list of pairs: a list of token ids, and a number"],
  [{ exponential_decay_length_penalty: [1] }, "exponential_decay_length_penalty: a pair"],
  [{ suppress_tokens: ["a"] }, "suppress_tokens: a token id, or a list of them"],
  [{ typical_p: 0 }, "typical_p: a number above 0, 1 at most"],
  [{ encoder_repetition_penalty: -1 }, "encoder_repetition_penalty: a number above 0"],
  [{ stop_strings: [""] }, "stop_strings: a text, or a list of texts"],
])("%j is refused", (settings, wanted) => {
  expect(() => configOf(settings)).toThrow(
    expect.objectContaining({
      code: "MODEL_CONFIG",
      diagnostics: [expect.objectContaining({ wanted: expect.stringContaining(wanted) as unknown })],
    }),
  );
});
