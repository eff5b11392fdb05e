import { expect, it } from "@jest/globals";
import { jsonText } from "../../compiler/pass/options.ts";

it.each<[unknown, string]>([
  [NaN, "NaN"],
  [-Infinity, "-Infinity"],
  [{ alpha: NaN }, "{ alpha: NaN }"],
  [[1, Infinity], "[ 1, Infinity ]"],
  [null, "null"],
  [{ alpha: 1.5 }, '{"alpha":1.5}'],
  [undefined, "undefined"],
  [1n, "1n"],
])("says what %p is", (value, text) => {
  expect(jsonText(value)).toBe(text);
});
