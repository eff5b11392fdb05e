import type { Model } from "../../compiler/ir/model.ts";
import { Rewriter } from "../../compiler/ir/rewriter.ts";

const loc = { file: "", path: "" };

/** A chain of functions, each of which calls the next some times; the last holds a product. */
export function functionChain(length: number, times: number): Model {
  const rw = new Rewriter();
  const model = rw.model(loc, 10, rw.graph(loc, "main"));
  for (const domain of ["", "d"]) rw.setOpset(model, domain, domain === "" ? 21 : 1);
  const x = rw.value(loc, "x");
  rw.addInput(model.graph, x);
  const call = rw.append(model.graph, rw.node({ op: "f0", domain: "d", inputs: [x], loc }));
  rw.setOutput(model.graph, 0, call.result);
  for (let i = 0; i < length; i++) {
    const body = rw.graph(loc, "body");
    let value = rw.value(loc, "x");
    rw.addInput(body, value);
    const [op, domain] = i === length - 1 ? ["MatMul", ""] : [`f${i + 1}`, "d"];
    for (let n = 0; n < times; n++) {
      const inputs = op === "MatMul" ? [value, value] : [value];
      value = rw.append(body, rw.node({ op, domain, inputs, loc })).result;
    }
    rw.setOutput(body, 0, value);
    rw.addFunction(model, rw.func(loc, { domain: "d", name: `f${i}` }, body, model.opsets));
  }
  return model;
}
