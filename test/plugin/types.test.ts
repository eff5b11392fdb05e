import { beforeAll, describe, expect, it } from "@jest/globals";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { problemsIn, type Problem } from "../bindings/typescript.ts";
import { app, build } from "./app.ts";

const ADAPTED = "./model/dynamo/model.onnx?tfc&adapter=lora&rank=4&sites=q_proj,mlp&adapters=inputs";
const PLAIN = "./model/dynamo/model.onnx?tfc&no-adapters";

/** A program that is right, which cases change in one place. */
const program = `import model, { type Adapter, type Inputs, type LayerName } from "${ADAPTED}";
import plain from "${PLAIN}";

const session = await model.createSession();
const ids = { dtype: "int64", dims: [1, 2], data: BigInt64Array.of(1n, 2n) } as const;
const found = await session.run({ input_ids: ids, attention_mask: ids }, ["logits"]);
const slot = model.adapters.find((one) => one.slot === "model.layers.3.mlp")?.kind;
const adapter: Adapter<"model.layers.3.mlp", 4> = {
  "lora_A.weight": { dims: [4, 128], data: new Float32Array(512) },
  "lora_B.weight": { dims: [128, 4], data: new Float32Array(512) },
  scaling: { dims: [1], data: Float32Array.of(2) },
};
const name: keyof Inputs = "position_ids";
const layer: LayerName = "model.layers.5";
const outputs: readonly ("logits" | \`present.\${number}.\${"key" | "value"}\`)[] = plain.outputs.map((one) => one.name);
const none: never[] = plain.adapters.map((one) => one.slot);
console.log(found.logits.dims, slot, adapter, name, layer, outputs, none);
`;

/** What is wrong, what it is in place of, the line that is marked, and what is said. */
const cases: readonly (readonly [string, string, string, string, RegExp])[] = [
  ["a misspelt input", "{ input_ids: ids", "{ input_idz: ids", "session.run", /input_idz.*input_ids/],
  ["an output that is not there", '["logits"]', '["logit"]', "session.run", /"logit"/],
  ["a slot that is not there", '=== "model.layers.3.mlp"', '=== "model.layers.3.attn"', "const slot", /no overlap/],
  ["an adapter at no place", 'Adapter<"model.layers.3.mlp"', 'Adapter<"model.layers.6.mlp"', "const adapter", /model\.layers\.6\.mlp/],
  ["an adapter of another width", "dims: [4, 128]", "dims: [4, 64]", "lora_A", /'64' is not assignable to type '128'/],
  ["a layer that is not there", '"model.layers.5"', '"model.layers.6"', "const layer", /"model\.layers\.6"/],
  ["a name that no input has", 'name: keyof Inputs = "position_ids"', 'name: keyof Inputs = "position_id"', "const name", /"position_id"/],
]; // prettier-ignore

let root: string;
let problems: readonly Problem[];
const typesOf = (): string => readFileSync(path.join(root, "tfc-env.d.ts"), "utf8");
const modulesOf = (): readonly string[] =>
  [...typesOf().matchAll(/^declare module "(.*)" \{$/gm)].map(([, name = ""]) => name);
const namesOf = (...specifiers: readonly string[]): readonly string[] =>
  specifiers.map((one) => one.replace("./", "*/"));

const importing = (...specifiers: readonly string[]): string =>
  specifiers.map((one, i) => `import m${i} from "${one}";\nconsole.log(m${i}.url);\n`).join("");

beforeAll(() => {
  root = app({ "main.js": importing(ADAPTED, PLAIN) });
  expect(build("rolldown", root)).toMatchObject({ status: 0 });
  problems = problemsIn({
    "tfc-env.d.ts": typesOf(),
    "right.ts": program,
    ...Object.fromEntries(cases.map(([, from, to], i) => [`wrong-${i}.ts`, program.replace(from, to)])),
  });
});

describe("tsc --strict of a project with tfc-env.d.ts", () => {
  const said = (name: string): readonly Problem[] => problems.filter(({ file }) => file === name);

  it("finds nothing in a program that is right", () => {
    expect([...said("tfc-env.d.ts"), ...said("right.ts")]).toEqual([]);
  });

  it.each(cases.map(([what, from, , at, message], i) => [what, i, from, at, message] as const))(
    "marks %s",
    (_, i, from, at, message) => {
      expect(program).toContain(from);
      const marked = said(`wrong-${i}.ts`).filter(({ line }) => line.includes(at));
      expect(marked.map(({ text }) => text).join("\n")).toMatch(message);
    },
  );
});

describe("tfc-env.d.ts", () => {
  it("is the same after another build", () => {
    const before = typesOf();
    expect(build("esbuild", root)).toMatchObject({ status: 0 });
    expect(typesOf()).toBe(before);
    expect(modulesOf()).toEqual(namesOf(ADAPTED, PLAIN));
  });

  it("keeps what another build imports, and loses what nobody imports any more", () => {
    writeFileSync(path.join(root, "server.js"), importing(PLAIN));
    expect(build("rollup", root, { entry: "server.js" })).toMatchObject({ status: 0 });
    expect(modulesOf()).toEqual(namesOf(ADAPTED, PLAIN));
    writeFileSync(path.join(root, "main.js"), "console.log(1);\n");
    expect(build("vite", root)).toMatchObject({ status: 0 });
    expect(modulesOf()).toEqual(namesOf(PLAIN));
    rmSync(path.join(root, "server.js"));
    expect(build("webpack", root)).toMatchObject({ status: 0 });
    expect(modulesOf()).toEqual([]);
  });
});
