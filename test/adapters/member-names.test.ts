import { expect, it } from "@jest/globals";
import { describeAdapters, parseDescription } from "../../compiler/adapters/description.ts";
import { memberNames } from "../../compiler/adapters/member-names.ts";

it.each([
  [["adapters/formal", "adapters/terse/"], "formal terse"],
  [["a.safetensors", "./b.pt", "c.onnx_adapter"], "a b c"],
  [["v1.5/adapter", "v2.0/adapter"], "v1.5/adapter v2.0/adapter"],
  [["jobs/1/checkpoint_9.pt", "jobs/2/checkpoint_9.pt", "x"], "1/checkpoint_9 2/checkpoint_9 x"],
  [["one", "one"], "one#0 one#1"],
  [["x/one", "one", "one"], "x/one one#1 one#2"],
  [[], ""],
])("members of %j are told apart", (files, want) => {
  const names = memberNames(files);
  expect(names.join(" ")).toBe(want);
  expect(new Set(names).size).toBe(files.length);
});

const fail = (why: string): Error => new Error(why);

it("a bank's description keeps the names", () => {
  const text = describeAdapters([], { residence: "bank", members: 2, names: ["a", "b"] });
  expect(parseDescription(text, fail)).toMatchObject({ members: 2, names: ["a", "b"] });
  const fresh = describeAdapters([], { residence: "bank", members: 2, names: [] });
  expect(parseDescription(fresh, fail).names).toBeUndefined();
});

it.each([[["a"]], [["a", "a"]], [["a", 1]], ["ab"], [null]])(
  "names %j of two members are refused",
  (names) => {
    const text = JSON.stringify({ version: 1, residence: "bank", members: 2, names, parts: [] });
    expect(() => parseDescription(text, fail)).toThrow("names");
  },
);
