import { existsSync, statSync } from "node:fs";
import { adapterKinds } from "../../../compiler/adapters/index.ts";
import { resizeLeaf } from "../../../compiler/adapters/resize.ts";
import type { Growth } from "../../../compiler/adapters/kind.ts";
import { inputError } from "../../../compiler/diagnostics/error.ts";
import { parameterPorts, type Training } from "../../../compiler/ops/training.ts";
import { siteName } from "../../../compiler/sites/names.ts";
import type { AdapterFile } from "../../../compiler/weights/adapter-file.ts";
import { elementsFrom, sizeOf, type HostTensor, type Tensors } from "../../session/tensor.ts";
import type { Checkpoint } from "./file.ts";
import { CheckpointFolder } from "./folder.ts";

/**
 * The checkpoint that a path means: itself, or the last one of a run's folder.
 *
 * @throws TfcError TRAIN_STATE for a folder without one
 */
export function checkpointAt(where: string): string {
  const folder = new CheckpointFolder(where);
  if (!existsSync(where) || !statSync(where).isDirectory()) return where;
  const last = folder.steps().at(-1);
  if (last === undefined)
    throw inputError("TRAIN_STATE", { file: where }, { found: "a folder without checkpoints" });
  return folder.fileOf(last);
}

/**
 * AdamW's moments of a checkpoint, for an adapter of its size or a larger one that `tfc grow` made of it: zeros for new
 * slices, as AdamW begins.
 *
 * @param adapter what is trained now, which says where in a leaf new slices lie
 * @throws TfcError TRAIN_STATE where the checkpoint is of other parameters
 */
export function grownMoments(
  file: string,
  { tensors }: Checkpoint,
  { parameters }: Training,
  adapter: AdapterFile,
): Tensors {
  const growths = growthsOf(adapter);
  const moments = parameters.flatMap(({ name, shape }) => {
    const { expAvg, expAvgSq } = parameterPorts(name);
    return [expAvg, expAvgSq].map((port): readonly [string, HostTensor] => {
      const tensor = tensors.get(port);
      if (tensor === undefined) throw invalidState(file, port, "no tensor of this name");
      const data = grownTo(tensor, shape, growths.get(name) ?? null);
      if (data === null) throw invalidState(file, port, `[${tensor.dims.join()}] for [${shape.join()}]`);
      return [port, { dtype: "float", dims: shape, data }];
    });
  });
  return new Map(moments);
}

function invalidState(file: string, name: string, found: string): Error {
  return inputError("TRAIN_STATE", { file, name }, { found });
}

/** Where slices are, of each parameter that grows. */
function growthsOf({ parts }: AdapterFile): ReadonlyMap<string, Growth> {
  const all = parts.flatMap(({ site, kind: name, settings, leaves }) => {
    const kind = adapterKinds.get(name);
    if (kind === undefined) return [];
    const width = kind.widthOf(new Map([...leaves].map(([leaf, { shape }]) => [leaf, shape])));
    return kind
      .leaves({ ...width, dtype: "float" }, settings)
      .flatMap(({ name: leaf, grows }) =>
        grows === null ? [] : [[`${siteName(site)}.${leaf}`, grows] as const],
      );
  });
  return new Map(all);
}

/** A tensor of float32 with zeros for further slices; null where more than that differs. */
function grownTo(
  tensor: HostTensor,
  shape: readonly number[],
  growth: Growth | null,
): HostTensor["data"] | null {
  const { dims, data } = tensor;
  if (dims.join() === shape.join()) return data;
  if (growth === null || dims.length !== shape.length || !ArrayBuffer.isView(data)) return null;
  if (dims.some((dim, i) => i !== growth.axis && dim !== shape[i])) return null;
  const each = growth.outer * growth.inner;
  const [from, to] = [sizeOf(dims) / each, sizeOf(shape) / each];
  if (!Number.isInteger(from) || !Number.isInteger(to) || from > to) return null;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const { outer, inner } = growth;
  return elementsFrom("float", resizeLeaf(bytes, { outer, inner, elementSize: 4 }, from, to));
}
