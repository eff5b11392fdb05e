import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { newFamilies, samples } from "../../models/samples.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { compiledForCuda, expectWhole, type Compiled } from "./cuda-samples.ts";
import { findPartitioner, partition } from "./cuda-stand-in.ts";

const folder = temporaryFolder();

const partitioner = findPartitioner();
const title = typeof partitioner === "string" ? ` (SKIPPED, ${partitioner})` : "";

(typeof partitioner === "string" ? describe.skip : describe)(
  `a graph compiled for CUDA runs there whole, with adapters of any kind${title}`,
  () => {
    let outputs: readonly Compiled[] = [];
    /** As the graphs are written, and as onnxruntime rewrites them. */
    let answers: readonly ReturnType<typeof partition>[] = [];
    beforeAll(async () => {
      if (typeof partitioner === "string") return;
      outputs = await compiledForCuda(folder, [...samples, ...newFamilies]);
      const files = outputs.map(({ file }) => file);
      answers = [false, true].map((optimize) => partition(partitioner, files, { optimize }));
    }, 1_200_000);
    afterAll(() => {
      for (const { remove } of answers) remove();
    });

    it.each([...samples, ...newFamilies])("of $name", ({ name }) => {
      expectWhole(name, outputs, answers);
    });

    it("of hundreds of graphs", () => {
      expect(outputs.length).toBeGreaterThan(600);
    });
  },
);
