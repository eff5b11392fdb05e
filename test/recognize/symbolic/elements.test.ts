import { expect, it } from "@jest/globals";
import { Elements } from "../../../compiler/recognize/symbolic/elements.ts";
import { modelOf, valueNamed } from "../graphs.ts";

it("casts a number to an integer without its fraction, also where no value has a type", () => {
  const model = modelOf({
    inputs: "x",
    weights: "float three = {3}",
    nodes: `root = Sqrt (three)
      whole = Cast <to = 7> (root)
      y = Mul (x, whole)`,
  });
  const elements = new Elements(new Map());
  expect(elements.number(valueNamed(model, "root"))).toBeCloseTo(Math.sqrt(3));
  expect(elements.number(valueNamed(model, "whole"))).toBe(1);
});
