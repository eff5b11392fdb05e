import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { pairCache } from "../../runtime/session/cache.ts";
import { openSession, type Session } from "../../runtime/session/session.ts";
import { tensorFrom, type HostTensor } from "../../runtime/session/tensor.ts";
import { temporaryFolder } from "../support/folder.ts";
import { graphOf, largestDifference, oracleCases, oracleTensor, styles } from "./oracle.ts";

const cases = oracleCases();
const folder = temporaryFolder();

// Prompts, steps, prompts in pieces, and a batch that is padded on the left, with one and with several tokens behind.
describe.each(styles)("the %s export with shared caches", (style) => {
  it.each([...cases.keys()])("computes PyTorch's logits: %s", async (name) => {
    const output = path.join(folder, `${style}-${name}.onnx`);
    const options = { for: "cpu", kv: "shared", maxLength: 32, weights: "inline", adapters: false } as const;
    await compile({ input: graphOf(style), output, ...options });
    const session = await openSession(output);
    const { past, present } = buffersFor(session, oracleTensor(`${name}.0.input_ids`).dims[0] ?? 1);
    for (const [step] of cases.get(name)?.step_lengths.entries() ?? []) {
      const given = ["input_ids", "attention_mask", "position_ids"].map(
        (part) => [part, oracleTensor(`${name}.${step}.${part}`)] as const,
      );
      const results = await session.run(new Map([...given, ...past]), undefined, present);
      const mask = oracleTensor(`${name}.${step}.attention_mask`);
      const want = oracleTensor(`${name}.${step}.logits`);
      expect(largestDifference(results.get("logits"), want, mask)).toBeLessThan(1e-4);
    }
    await session.close();
  });
});

/** One tensor for each past and its present, full of what would be seen if it were read. */
function buffersFor(session: Session, rows: number) {
  const [past, present] = [new Map<string, HostTensor>(), new Map<string, HostTensor>()];
  for (const entry of pairCache(session.inputs, session.outputs)) {
    const dims = entry.past.dims.map((dim) => (typeof dim === "number" ? dim : rows));
    const buffer = tensorFrom("float", dims, () => 1e3);
    past.set(entry.past.name, buffer);
    present.set(entry.present, buffer);
  }
  return { past, present };
}
