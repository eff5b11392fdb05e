import { Sink } from "../../../diagnostics/sink.ts";
import { DTYPE_KEY, isHalf, type HalfType } from "../../../ir/dtype.ts";
import { Rewriter } from "../../../ir/rewriter.ts";
import { openModel } from "../../../onnx/open.ts";
import { readModelMetadata } from "../../../weights/model-metadata.ts";
import { outputPaths, writeOutputs } from "../../outputs.ts";
import type { TemporaryModels } from "../temporary.ts";
import { widenBfloat16 } from "./widen.ts";
import { widenPorts } from "./wide-ports.ts";

/** What two graphs may differ by because of roundings, before it is measured what the model makes of them. */
export interface Rounding {
  /** Absolute, or of an element. */
  readonly tolerance: number;
  /** Of an output's largest element. */
  readonly share: number;
  /** The type that the compiled graph computes in, where its base does not. */
  readonly as: HalfType | null;
}

/** A number of the type is off by half of its last place at most; of some layers' roundings eight times that is usual. */
const HALVES: Readonly<Record<HalfType, Rounding>> = {
  float16: { tolerance: 2 ** -9, share: 2 ** -8, as: "float16" },
  bfloat16: { tolerance: 2 ** -6, share: 2 ** -5, as: "bfloat16" },
};

/** The type that a graph was converted to from that of its base, or null. */
export function convertedTo(base: string, compiled: string): HalfType | null {
  const type = readModelMetadata(compiled).get(DTYPE_KEY);
  return isHalf(type) && !readModelMetadata(base).has(DTYPE_KEY) ? type : null;
}

/** @param isQuantized whether weights were quantized of rounded numbers, of which a few give the next integer */
export function roundingOf(type: HalfType, isQuantized: boolean): Rounding {
  const { tolerance, share, as } = HALVES[type];
  return isQuantized ? { tolerance: 4 * tolerance, share: 4 * share, as } : { tolerance, share, as };
}

/**
 * Writes a converted graph as one that can be held against its base: with the base's types outside, and where it is to
 * run on the CPU, which has no kernels for bfloat16, in float32 with the numbers that it has.
 */
export async function writeComparable(
  base: string,
  compiled: string,
  { type, provider, models }: { type: HalfType; provider: string; models: TemporaryModels },
): Promise<{ readonly file: string; readonly isWidened: boolean }> {
  const isWidened = type === "bfloat16" && provider !== "cuda";
  const { file } = await models.make(async (output) => {
    const sink = new Sink();
    const [model, before] = [openModel(compiled, sink).model, openModel(base, sink).model];
    const rw = new Rewriter("verify");
    if (isWidened) widenBfloat16(model, rw);
    else widenPorts(model, before, rw);
    await writeOutputs(model, sink, outputPaths(output), { base: compiled, weights: "link" });
  });
  return { file, isWidened };
}
