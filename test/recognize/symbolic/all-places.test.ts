import { expect, it } from "@jest/globals";
import { Elements } from "../../../compiler/recognize/symbolic/elements.ts";
import { modelOf, valueNamed } from "../graphs.ts";

it.each([
  ["everywhere, the shape of all there is", "{2, 2, 2}", ["6", "B"]],
  ["not everywhere, no shape", "{2, 1, 2}", undefined],
])("what is gathered where a condition holds has, if it does so %s", (_, repeats, shape) => {
  const model = modelOf({
    inputs: "float[3,2,B] x",
    weights: `int64[2] counted = {0, 1}, int64[3,1] repeats = ${repeats}`,
    nodes: `taken = Less (counted, repeats)
      found = NonZero (taken)
      places = Transpose <perm = [1, 0]> (found)
      y = GatherND (x, places)`,
  });
  const { shapes } = new Elements(new Map());
  expect(shapes.of(valueNamed(model, "y"))?.map(({ key }) => key)).toEqual(shape);
});
