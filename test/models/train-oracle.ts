import { readFileSync } from "node:fs";
import { join } from "node:path";
import { tensorFrom, type HostTensor, type Tensors } from "../../runtime/session/tensor.ts";
import { numbers } from "./generate-oracle.ts";

/** What is recorded of a gradient. */
export interface RecordedGradient {
  readonly shape: readonly number[];
  /** The size of the largest element. */
  readonly max: number;
  readonly sum: number;
  readonly norm: number;
  /** Some elements, float32 in base64: of those that `places` names. */
  readonly some: string;
  /** The norm of the differences of PyTorch's own in float16, in parts of this one's; of a step in half precision. */
  readonly half?: number;
}

/** Loss and gradients of one batch. */
export interface RecordedStep {
  readonly loss: number;
  readonly tokens: number;
  readonly gradients: Readonly<Record<string, RecordedGradient>>;
}

type Rows = readonly (readonly number[])[];
/** A batch: 0 in the mask at padding, −100 at labels that do not count. */
export type Batch = Readonly<Record<"input_ids" | "attention_mask" | "labels", Rows>>;

interface SampleOracle {
  readonly batch: Batch;
  readonly optimizer: { readonly rate: number; readonly decay: number; readonly clip: number };
  readonly batches: readonly Batch[];
  readonly kinds: Readonly<Record<string, RecordedStep>>;
  readonly curves: Readonly<
    Record<string, { readonly loss: readonly number[]; readonly norm: readonly number[] }>
  >;
}

/** A step of a family: the projections that LoRA is beside. */
export interface FamilyStep extends RecordedStep {
  readonly projections: readonly string[];
}

interface FamilyOracle {
  readonly batch: Batch;
  /** The same rows, padded on the right only. */
  readonly right: Batch;
  /** The family of each export, by its folder in samples/models. */
  readonly exports: Readonly<Record<string, string>>;
  readonly families: Readonly<Record<string, FamilyStep>>;
  /** Of quantized exports, computed with what their numbers stand for. */
  readonly quantized: Readonly<Record<string, FamilyStep>>;
  /** Of families, with how far PyTorch's gradients are from these in float16. */
  readonly half: Readonly<Record<string, FamilyStep & { readonly half_loss: number }>>;
}

const read = (name: string): unknown => JSON.parse(readFileSync(join(import.meta.dirname, name), "utf8"));

/** What PyTorch computes for the sample model, see samples/export/adapter_training_oracle.py. */
export const sampleOracle = read("train-oracle.json") as SampleOracle;

/** What it computes for each family, see samples/export/family_training_oracle.py. */
export const familyOracle = read("train-oracle-families.json") as FamilyOracle;

/** Of the sample model in few bits, see samples/export/compiled_training_oracle.py. */
export const bitsOracle = read("train-oracle-bits.json") as Pick<SampleOracle, "batch" | "kinds">;

/** Of embeddings and heads, see samples/export/outside_training_oracle.py. */
export const outsideOracle = read("train-oracle-outside.json") as Pick<SampleOracle, "batch" | "kinds">;

/** Of routers and experts, see samples/export/mixture_training_oracle.py. */
export const mixtureOracle = read("train-oracle-mixtures.json") as Pick<SampleOracle, "batch" | "kinds">;

/** A batch as a graph takes it. */
export function feedsOf(batch: Batch): Tensors {
  return new Map(
    Object.entries(batch).map(([name, rows]) => {
      const flat = rows.flat();
      return [name, tensorFrom("int64", [rows.length, rows[0]?.length ?? 0], (i) => flat[i] ?? 0)];
    }),
  );
}

/** A leaf's numbers as samples/export/training/adapters.py makes them of its name. */
export function leafOf(name: string, shape: readonly number[]): HostTensor {
  const factor = name.endsWith(".tokenformer_k") ? 2 : 0.25;
  const values = numbers(
    name,
    shape.reduce((a, b) => a * b, 1),
  );
  return tensorFrom("float", shape, (i) => (values[i] ?? NaN) * factor);
}

/** Which elements of a gradient are recorded, as samples/export/training/record.py chooses them. */
function places(name: string, size: number, count: number): readonly number[] {
  if (size <= count) return Array.from({ length: size }, (_, i) => i);
  return Array.from(numbers(`${name} at`, count), (x) => Math.floor((x + 0.5) * size));
}

/** The gradients that are farther from the recorded ones than a share of their largest element, with how far. */
export function farther(got: Tensors, want: RecordedStep, tolerance: number): readonly string[] {
  return Object.entries(want.gradients).flatMap(([name, recorded]) => {
    const far = distance(name, got.get(name), recorded);
    return far <= tolerance ? [] : [`${name}: ${far.toPrecision(3)}`];
  });
}

/** How far a gradient is from the recorded one, in parts of the largest element. */
function distance(name: string, got: HostTensor | undefined, want: RecordedGradient): number {
  const pairs = recordedElements(name, got, want);
  if (pairs === null) return Infinity;
  const { data } = got as { readonly data: Float32Array };
  let [most, sum, squares] = [0, 0, 0];
  for (const x of data) {
    most = Math.max(most, Math.abs(x));
    sum += x;
    squares += x * x;
  }
  const root = Math.sqrt(data.length);
  const whole = [most - want.max, (sum - want.sum) / root, (Math.sqrt(squares) - want.norm) / root];
  const far = [...pairs.map(([x, y]) => x - y), ...whole].map(Math.abs);
  return far.some(Number.isNaN) ? Infinity : Math.max(...far) / want.max;
}

/** The norm of the differences of the recorded elements, in parts of the recorded ones'. */
export function apart(name: string, got: HostTensor | undefined, want: RecordedGradient): number {
  const pairs = recordedElements(name, got, want);
  if (pairs === null) return Infinity;
  const norm = (numbers: readonly number[]): number => Math.sqrt(numbers.reduce((sum, x) => sum + x * x, 0));
  return norm(pairs.map(([x, y]) => x - y)) / norm(pairs.map(([, y]) => y));
}

/** Elements of a gradient beside those recorded; null where its shape is another one. */
function recordedElements(
  name: string,
  got: HostTensor | undefined,
  { shape, some }: RecordedGradient,
): readonly (readonly [number, number])[] | null {
  const data = got?.data;
  if (!(data instanceof Float32Array) || got?.dims.join() !== shape.join()) return null;
  const bytes = new Uint8Array(Buffer.from(some, "base64"));
  const recorded = new Float32Array(bytes.buffer);
  return places(name, data.length, recorded.length).map((at, i) => [data[at] ?? NaN, recorded[i] ?? NaN]);
}
