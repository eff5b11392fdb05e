import path from "node:path";
import TestSequencer from "@jest/test-sequencer";

/**
 * Tests that come first, in this order: those that count steps, which takes ten times as long in a process that has
 * loaded the sources for other tests, since V8 counts those copies too; then the longest, so that none of them begins
 * when the other worker is at its end.
 */
const first = [
  "compile/steps",
  "weights/steps",
  "compile/killed",
  "ops/placement/whole-on-cuda-shared",
  "models/train-oracle",
  "ops/placement/train-on-cuda",
  "compile/verify/verify-quantized",
  "models/train-run",
  "models/train-compiled",
  "compile/verify/rounding",
  "ops/placement/whole-on-cuda",
  "onnx/check/compiled",
  "models/fixed-batch",
];

/** Jest's own order, by the size of files or by how long they took, behind those that are to come first. */
export default class Sequencer extends TestSequencer {
  sort(tests) {
    const rank = ({ path: file }) => {
      const at = first.findIndex((name) => file.endsWith(path.join("test", `${name}.test.ts`)));
      return at === -1 ? first.length : at;
    };
    return super.sort(tests).sort((a, b) => rank(a) - rank(b));
  }
}
