import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { TfcError } from "../../../compiler/diagnostics/error.ts";
import { readPeftConfig } from "../../../compiler/weights/peft/config.ts";
import { peftTargets } from "../../../compiler/weights/peft/targets.ts";
import { PatternTable } from "../../../compiler/weights/peft/pattern-table.ts";
import { PythonPattern } from "../../../compiler/weights/peft/python-pattern.ts";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
import { loraOf, refusal, writePeft } from "../../support/adapters.ts";
import { temporaryFolder } from "../../support/folder.ts";

const folder = temporaryFolder();
const file = path.join(folder, "adapter_config.json");

function config(text: unknown): string {
  writeFileSync(file, typeof text === "string" ? text : JSON.stringify(text));
  return file;
}

const plain = { peft_type: "LORA", r: 4, lora_alpha: 8, target_modules: ["q_proj"] };

describe("adapter_config.json", () => {
  it.each<[string, Record<string, unknown>, string]>([
    ["r", { r: "8" }, "an integer, 1 or more"],
    ["r", { r: 0 }, "an integer, 1 or more"],
    ["r", { r: 4.5 }, "an integer, 1 or more"],
    ["r", { r: null }, "an integer, 1 or more"],
    ["lora_alpha", { lora_alpha: null }, "a number, 0 or more"],
    ["lora_alpha", { lora_alpha: "16" }, "a number, 0 or more"],
    ["lora_alpha", { lora_alpha: -16 }, "a number, 0 or more"],
    ["use_rslora", { use_rslora: "yes" }, "true or false"],
    ["use_rslora", { use_rslora: 1 }, "true or false"],
    ["rank_pattern", { rank_pattern: { q_proj: "8" } }, "integers, 1 or more, by names"],
    ["rank_pattern", { rank_pattern: [8] }, "integers, 1 or more, by names"],
    ["alpha_pattern", { alpha_pattern: { q_proj: null } }, "numbers, 0 or more, by names"],
    ["target_modules", { target_modules: [1] }, "a list of names, or a regular expression"],
    ["target_modules", { target_modules: { q_proj: true } }, "a list of names, or a regular expression"],
    ["exclude_modules", { exclude_modules: 3 }, "a list of names, or a regular expression"],
    ["modules_to_save", { modules_to_save: "lm_head" }, "a list of names"],
    ["layers_to_transform", { layers_to_transform: "0" }, "a layer, or a list of layers"],
    ["layers_to_transform", { layers_to_transform: [-1] }, "a layer, or a list of layers"],
    ["layers_pattern", { layers_to_transform: [0], layers_pattern: [0] }, "a name, or a list of names"],
    ["init_lora_weights", { init_lora_weights: 3 }, "true, false, or the name of a method"],
    ["bias", { bias: "some" }, '"none", "all" or "lora_only"'],
    ["use_dora", { use_dora: "no" }, "true or false"],
    ["peft_type", { peft_type: 1 }, "text"],
    ["peft_type", { peft_type: null }, '"LORA"'],
    ["fan_in_fan_out", { fan_in_fan_out: "x" }, "true or false"],
    ["layers_pattern", { layers_pattern: "h" }, "null, where layers_to_transform is"],
    [
      "layers_to_transform",
      { target_modules: ".*q_proj", layers_to_transform: [0] },
      "null, where target_modules",
    ],
  ])("is refused with a bad %s: %j", (name, fields, wanted) => {
    const found = refusal(() => readPeftConfig(config({ ...plain, ...fields })));
    expect(found).toMatchObject({ code: "PEFT_CONFIG_INVALID", file, name });
    expect(found.text).toContain(`adapter_config.json is not valid: ${name}\n`);
    expect(found.text).toContain(`wanted ${wanted}`);
  });

  it.each([
    ["", "JSON"],
    ["{", "JSON"],
    ["[]", "a JSON object"],
    ["null", "a JSON object"],
    ['"LORA"', "a JSON object"],
    ['{"r": NaN}', "JSON"],
  ])("is refused as %j", (text, wanted) => {
    const found = refusal(() => readPeftConfig(config(text)));
    expect(found).toMatchObject({ code: "PEFT_CONFIG_INVALID", file, name: "" });
    expect(found.text).toContain(`wanted ${wanted}`);
  });

  it("is refused where it is missing, and where it is too long to be shown", () => {
    expect(refusal(() => readPeftConfig(path.join(folder, "none"))).code).toBe("FILE_NOT_FOUND");
    const found = refusal(() => readPeftConfig(config({ ...plain, r: "x".repeat(10_000) })));
    expect(found.text.length).toBeLessThan(600);
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    for (const name of ["r", "use_dora", "trainable_token_indices", "new_config"]) {
      const nested = refusal(() => readPeftConfig(config(`{"peft_type":"LORA","${name}":${deep}}`)));
      expect(nested.found).toContain("a value that is nested too deep");
    }
  });

  it("never fails otherwise, whatever its fields hold", async () => {
    const at = await writePeft(path.join(folder, "fuzz"), loraOf("model.layers.0.self_attn.q_proj"));
    const values: unknown[] = [
      0, 1, -1, 1.5, 1e300, "", "x", "(", "[", "\\", "*", "(?P<a>", "a)|(b", true, false, null, [], [[]], [null], [1], ["("],
      ["q_proj", 1], {}, { a: 1 }, { "(": 2 }, { q_proj: 2 }, { __proto__: 1 }, { constructor: 2 }, [{}], "q_proj", ["q_proj"],
    ]; // prettier-ignore
    const names = [
      ...["peft_type", "r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern", "target_modules"],
      ...[
        "exclude_modules",
        "modules_to_save",
        "layers_to_transform",
        "layers_pattern",
        "init_lora_weights",
        "bias",
      ],
      ...["fan_in_fan_out", "lora_dropout", "inference_mode", "ensure_weight_tying", "task_type", "revision"],
      ...[
        "base_model_name_or_path",
        "peft_version",
        "auto_mapping",
        "runtime_config",
        "loftq_config",
        "eva_config",
      ],
      ...[
        "corda_config",
        "lora_ga_config",
        "megatron_core",
        "qalora_group_size",
        "use_dora",
        "use_qalora",
        "lora_bias",
      ],
      ...[
        "trainable_token_indices",
        "target_parameters",
        "layer_replication",
        "alora_invocation_tokens",
        "use_bdlora",
      ],
      ...[
        "velora_config",
        "monteclora_config",
        "arrow_config",
        "kasa_config",
        "megatron_config",
        "__proto__",
        "toString",
      ],
    ];
    let [read, refused] = [0, 0];
    for (const name of names) {
      for (const value of values) {
        const usual = {
          peft_type: "LORA",
          r: 2,
          lora_alpha: 4,
          target_modules: ["q_proj"],
          layers_to_transform: [0],
        };
        const entries = Object.entries({ ...usual, layers_pattern: "layers" }).filter(
          ([key]) => key !== name,
        );
        const text = [...entries, [name, value] as const].map(
          ([key, one]) => `${JSON.stringify(key)}:${JSON.stringify(one)}`,
        );
        writeFileSync(path.join(at, "adapter_config.json"), `{${text.join(",")}}`);
        try {
          expect(readAdapter(at).parts).toHaveLength(1);
          read++;
        } catch (error) {
          if (!(error instanceof TfcError) || error.kind !== "input") throw error;
          refused++;
        }
      }
    }
    expect(read).toBeGreaterThan(100);
    expect(refused).toBeGreaterThan(500);
  });
});

describe("keys of rank_pattern", () => {
  it("are looked up, where they are names, with the result of trying one after the other", () => {
    const pieces = ["a", "b", "q_proj", "layers", "1", "11", "x.y"];
    let state = 1;
    const next = (bound: number): number => (state = (state * 16807) % 2147483647) % bound;
    const word = (): string => Array.from({ length: 1 + next(4) }, () => pieces[next(7)]).join(".");
    for (let round = 0; round < 200; round++) {
      const keys = Array.from({ length: 8 }, (_, i) => (i === 5 ? `${word()}|[ab]` : word()));
      const texts = keys.map((key, value) => {
        const regexp = new RegExp(`^(?:(.*\\.)?(${key})$)`, "u");
        return { key, value, matches: (module: string) => regexp.test(module) };
      });
      const table = new PatternTable(texts);
      for (let i = 0; i < 20; i++) {
        const module = next(3) === 0 ? word().replaceAll(".", "_") : word();
        expect(table.valueOf(module)).toBe(texts.find(({ matches }) => matches(module))?.value);
      }
    }
  });

  it("are not tried one by one for each module", () => {
    const names = Array.from({ length: 2000 }, (_, i) => `model.layers.${i}.self_attn.q_proj`);
    let tried = 0;
    const table = new PatternTable(names.map((key, value) => ({ key, value, matches: () => ++tried > 0 })));
    expect(names.every((name, i) => table.valueOf(name) === i)).toBe(true);
    expect(tried).toBe(0);
  });
});

describe("patterns", () => {
  const targets = (fields: Record<string, unknown>): ReturnType<typeof peftTargets> =>
    peftTargets(readPeftConfig(config({ ...plain, ...fields })));

  it.each([
    ["rank_pattern", { rank_pattern: { "(": 3 } }],
    ["alpha_pattern", { alpha_pattern: { "(?i)q_proj": 3 } }],
    ["target_modules", { target_modules: "q_proj(" }],
    ["target_modules", { target_modules: "\\Gq_proj" }],
    ["exclude_modules", { exclude_modules: "a++" }],
    ["modules_to_save", { modules_to_save: ["["] }],
    ["layers_pattern", { layers_to_transform: [0], layers_pattern: "(" }],
  ])("that mean nothing here are refused: %s", (name, fields) => {
    const found = refusal(() => targets(fields));
    expect(found).toMatchObject({ code: "PEFT_CONFIG_INVALID", file, name });
    expect(found.text).toContain("a regular expression that Python and JavaScript both have");
    expect(found.text).toMatch(/fix: write it without flags such as \(\?x\) .* modules'/);
  });

  it("that would take years are given up", () => {
    const { rankOf } = targets({ rank_pattern: { "(?:[a-z_.0-9]+)+!": 3 } });
    const started = performance.now();
    expect(refusal(() => rankOf(`model.layers.0.self_attn.${"q".repeat(40)}_proj`))).toMatchObject({
      code: "PEFT_CONFIG_INVALID",
      name: "rank_pattern",
    });
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it("that would take years share what they may take", () => {
    const slow = Object.fromEntries(
      Array.from({ length: 200 }, (_, i) => [`(?:[a-z_.0-9]+)+!{${i + 1}}`, 3]),
    );
    const { rankOf } = targets({ rank_pattern: slow });
    const started = performance.now();
    // Each takes a tenth of a second or so to say that it does not match, and all of them minutes.
    const texts = Array.from({ length: 20 }, (_, i) => `model.layers.${i}.${"q".repeat(9)}`);
    expect(refusal(() => texts.map(rankOf))).toMatchObject({ name: "rank_pattern" });
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it("have Python's spellings", () => {
    const matches = (pattern: string, text: string): boolean => {
      const match = PythonPattern.compile("^(?:", pattern, ")$")?.exec(text);
      return match !== null && match !== undefined;
    };
    expect(matches("(?P<name>q|k)_proj", "k_proj")).toBe(true);
    expect(matches("(?P<a>.)x(?P=a)", "1x1")).toBe(true);
    expect(matches("(?P<a>.)x(?P=a)", "1x2")).toBe(false);
    expect(matches("\\Aq\\-proj\\Z", "q-proj")).toBe(true);
    expect(matches("[a\\-c]", "-")).toBe(true);
    expect(matches("[a\\-c]", "b")).toBe(false);
    expect(matches("q\\_proj", "q_proj")).toBe(true);
    expect(PythonPattern.compile("^", "\\Qq", "$")).toBeNull();
    expect(matches("(?i).*\\.Q_Proj", "layers.0.q_proj")).toBe(true);
    expect(matches(".*\\.Q_Proj", "layers.0.q_proj")).toBe(false);
    // Python reads flags at the very beginning alone, and refuses them elsewhere.
    expect(PythonPattern.compile("^(?:(.*\\.)?(", "(?i)q", ")$)")).toBeNull();
    expect(matches("(?x) q", "q")).toBe(false);
  });
});
