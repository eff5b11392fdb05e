import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { filesIn } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tfc } from "../support/tfc.ts";
import { fresh } from "./config-folder.ts";

describe("a configuration is refused", () => {
  /** Compiles with a configuration that must be refused. */
  async function refusedWith(name: string, config: string | object): Promise<string> {
    const folder = fresh({ [name]: config });
    return refused(folder, "compile", path.join(folder, "model.onnx"), "--config", path.join(folder, name));
  }

  const refusedHere = (config: string | object): Promise<string> => refusedWith("c.json", config);

  it.each<[string, object, string]>([
    ["a key that is none", { adapter: [] }, 'at "adapter"'],
    ["an object's own names", { toString: 1 }, 'at "toString"'],
    ["a list", [], "wanted a plain object, found []"],
    [
      "adapters that are no list",
      { adapters: { kind: "lora" } },
      "wanted a list of { kind, sites, settings }, found {",
    ],
    ["replace that is no list", { replace: "mlp" }, 'wanted a list of { sites, settings }, found "mlp"'],
    ["load that is no path", { load: 7 }, "wanted a path, or a list of paths, one at least, found 7"],
    ["load of nothing", { load: [] }, "wanted a path, or a list of paths, one at least, found []"],
    ["load of something else", { load: ["a", null] }, 'found ["a",null]'],
    [
      "a residence that is no text",
      { residence: true },
      "wanted baked, inputs, optional-inputs or bank, found true",
    ],
    ["members that are no number", { members: "3" }, 'wanted a whole number, found "3"'],
    ["half a seed", { seed: 0.5 }, "wanted a whole number, found 0.5"],
    ["weights that are none", { weights: "move" }, 'wanted link, copy, inline, found "move"'],
    ["strict that is no switch", { strict: "yes" }, 'wanted true or false, found "yes"'],
    ["lowerPagedAttention that is no switch", { lowerPagedAttention: 1 }, "wanted true or false, found 1"],
    ["nothing where something should be", { adapters: null }, "found null"],
  ])("for %s", async (_, config, text) => {
    const message = await refusedHere(config);
    expect(message).toMatch(/c\.json: error CONFIG_INVALID: the configuration is not valid/);
    expect(message).toContain(text);
  });

  it.each<[string, object, string, string]>([
    ["a kind that is none", { adapters: [{ kind: "vera" }] }, "OPTION_UNKNOWN_VALUE", '"vera"'],
    ["an adapter that is none", { adapters: [7] }, "OPTION_OUT_OF_RANGE", "found 7"],
    [
      "a key of an adapter that is none",
      { adapters: [{ kind: "lora", site: "mlp" }] },
      "OPTION_UNKNOWN",
      '"site"',
    ],
    [
      "a site that is none",
      { adapters: [{ kind: "lora", sites: "head" }] },
      "OPTION_UNKNOWN_VALUE",
      '"head"',
    ],
    [
      "a setting of another kind",
      { adapters: [{ kind: "lora", settings: { heads: 2 } }] },
      "OPTION_UNKNOWN",
      '"heads"',
    ],
    [
      "a setting out of range",
      { adapters: [{ kind: "lora", settings: { rank: 0 } }] },
      "OPTION_OUT_OF_RANGE",
      "found 0",
    ],
    [
      "settings that are none",
      { adapters: [{ kind: "lora", settings: 8 }] },
      "OPTION_OUT_OF_RANGE",
      "found 8",
    ],
    [
      "a kind of what is replaced",
      { replace: [{ kind: "lora" }] },
      "OPTION_UNKNOWN_VALUE",
      'replace[0].kind does not know "lora"',
    ],
    [
      "an entry without a kind",
      { adapters: [{ kind: "lora" }, {}] },
      "OPTION_UNKNOWN_VALUE",
      "adapters[1].kind does not know",
    ],
    [
      "a residence that is none",
      { residence: "cloud" },
      "OPTION_UNKNOWN_VALUE",
      'residence does not know "cloud"',
    ],
    [
      "a residence of no adapters",
      { replace: [{ sites: "mlp" }], residence: "inputs" },
      "OPTION_CONFLICT",
      "residence: inputs in c.json does not go with replace in c.json",
    ],
    ["a seed out of range", { seed: -1 }, "OPTION_OUT_OF_RANGE", "found -1"],
    ["no members", { residence: "bank", members: 0 }, "OPTION_OUT_OF_RANGE", "found 0"],
    [
      "a bank's members without a bank",
      { members: 2 },
      "OPTION_UNUSED",
      "members in c.json would have no effect",
    ],
    [
      "adapters and load at once",
      { adapters: [{ kind: "lora" }], load: "nowhere" },
      "OPTION_CONFLICT",
      "load in c.json does not go with --adapter, --sites or adapters in c.json",
    ],
  ])("for %s", async (_, config, code, text) => {
    const message = await refusedHere(config);
    expect(message).toContain(`error ${code}: `);
    expect(message).toContain(text);
  });

  it("by the path of what it loads, where there is none", async () => {
    const message = await refusedHere({ load: "sub/nothing.pt" });
    expect(message).toMatch(/\/sub\/nothing\.pt: error FILE_NOT_FOUND: cannot open \/.*\/sub\/nothing\.pt\n/);
  });

  it("whose code waits for ever", () => {
    const folder = fresh({ "tfc.config.ts": "await new Promise(() => {}); export default {};" });
    const { status, stderr } = tfc(["compile", "model.onnx"], folder);
    expect(status).toBe(1);
    expect(stderr).toContain("CONFIG_INVALID");
    expect(stderr).toContain("found a module that waits for what never comes");
    expect(filesIn(folder).filter((name) => name.endsWith(".mjs"))).toEqual([]);
  });

  it("when there is none", async () => {
    const folder = fresh();
    const file = path.join(folder, "nowhere.ts");
    const message = await refused(folder, "compile", path.join(folder, "model.onnx"), "--config", file);
    expect(message).toContain(`${file}: error FILE_NOT_FOUND`);
  });

  it.each([
    ["JSON that ends too soon", '{ "seed": 1'],
    ["an empty file", ""],
    ["comments in JSON", '{ "seed": 1 } // one'],
  ])("for %s", async (_, text) => {
    const message = await refusedHere(text);
    expect(message).toMatch(
      /c\.json: error CONFIG_INVALID: .*\n {2}at line .*\n {2}wanted JSON, found .*JSON/,
    );
  });

  it.each([
    ["tfc.config.json", '{\n  "seed": 1,\n  "weights": copy\n}', 3, 14],
    ["tfc.config.json", '{\n  "load": ["a",]\n}', 2, 16],
    ["tfc.config.json", '{\r\n  "seed": 1,\r\n  // one\r\n}', 3, 3],
    ["tfc.config.json", '{ "seed" 1 }', 1, 10],
    ["tfc.config.json", '{ "seed": tru', 1, 14],
    ["tfc.config.json", "", 1, 1],
    ["tfc.config.ts", "type A = string;\n\nexport default {\n  adapters: [ };\n", 4, 15],
    ["tfc.config.mts", "export default { seed: 1 } as\n", 1, 30],
    ["tfc.config.mjs", "export default {\n  adapters: [ };\n", 2, 15],
    ["tfc.config.js", "export default {\n  seed: 1;\n};\n", 2, 10],
    ["tfc.config.mjs", "const a = 1;\n  missing();\nexport default { a };\n", 2, 3],
    [
      "tfc.config.ts",
      "interface A {\n  b: string;\n}\nconst a: A | null = null;\n  missing(a as A);\nexport default {};\n",
      5,
      3,
    ],
  ])("%s: %j says where", async (name, content, line, column) => {
    expect(await refusedWith(name, content)).toContain(
      `${name}: error CONFIG_INVALID: the configuration is not valid\n  at line ${line}, column ${column}\n`,
    );
  });

  it.each([
    [
      "tfc.config.ts",
      "a syntax error",
      "export default { adapters: [ };",
      /found Expression or comma expected/,
    ],
    [
      "tfc.config.mjs",
      "a syntax error",
      "export default { adapters: [ };",
      /found Expression or comma expected/,
    ],
    [
      "tfc.config.ts",
      "no default export",
      "export const config = {};",
      /wanted a default export, found none/,
    ],
    [
      "tfc.config.mjs",
      "no default export",
      "export const config = {};",
      /wanted a default export, found none/,
    ],
    [
      "tfc.config.ts",
      "code that throws",
      'throw new Error("no such luck");',
      /wanted a module that runs without an error, found no such luck/,
    ],
    ["tfc.config.ts", "a function", "export default () => ({});", /wanted a plain object, found/],
    ["tfc.config.mjs", "a map", "export default new Map([['seed', 3]]);", /wanted a plain object, found/],
    [
      "tfc.config.mjs",
      "a key whose reading throws",
      "export default { get seed() { throw new Error('no such luck'); } };",
      /found no such luck/,
    ],
    [
      "tfc.config.ts",
      "a type of a key",
      "export default { seed: 1 as unknown as string, members: [] };",
      /at "members"/,
    ],
    ["tfc.config.ts", "a value that JSON has not", "export default { seed: 1n };", /at "seed"/],
    [
      "tfc.config.ts",
      "a value that holds itself",
      "const a: object[] = []; a.push(a); export default { load: a };",
      /at "load"/,
    ],
  ])("%s: for %s", async (name, _, content, text) => {
    const message = await refusedWith(name, content);
    expect(message).toMatch(new RegExp(`${name.replaceAll(".", "\\.")}: error CONFIG_INVALID: `));
    expect(message).toMatch(text);
  });
});
