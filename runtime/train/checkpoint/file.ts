import { crc32 } from "node:zlib";
import { inputError, type TfcError } from "../../../compiler/diagnostics/error.ts";
import { CHECKPOINT_KEY, parameterPorts, type Training } from "../../../compiler/ops/training.ts";
import { OutputFiles } from "../../../compiler/onnx/output.ts";
import { layoutSafetensors, writeSafetensors } from "../../../compiler/weights/safetensors/safetensors.ts";
import { openSafetensors } from "../../../compiler/weights/safetensors/weights.ts";
import { elementsFrom, type HostTensor, type Tensors } from "../../session/tensor.ts";
import { parseCheckpoint, type CheckpointText } from "./progress.ts";

/** A run at one moment. */
export interface Checkpoint extends CheckpointText {
  /** Parameters and their moments, by the names of inputs. */
  readonly tensors: Tensors;
}

/**
 * Writes a checkpoint: it is there whole, and on the disk, or not at all.
 *
 * @param adapter what an adapter of these parameters says of itself, with which the file loads as one
 * @throws TfcError FILE_NOT_WRITABLE
 */
export async function writeCheckpoint(
  file: string,
  { tensors, ...text }: Checkpoint,
  adapter: ReadonlyMap<string, string>,
): Promise<void> {
  const entries = [...tensors].map(([name, { dims }]) => ({ name, dtype: "float" as const, shape: dims }));
  const said = JSON.stringify({ ...text, crc32: checksumOf(tensors) });
  const layout = layoutSafetensors(entries, new Map([...adapter, [CHECKPOINT_KEY, said]]));
  const files = new OutputFiles(file);
  try {
    files.prepare(file, layout.size);
    await files.stage(file, (temporary) =>
      writeSafetensors(temporary, layout, (name) => bytesOf(tensors.get(name))),
    );
    await files.commit();
  } catch (error) {
    files.discard();
    throw error;
  }
}

/** Reads a checkpoint. @throws TfcError FILE_NOT_FOUND, SAFETENSORS_INVALID, TRAIN_CHECKPOINT_INVALID */
export function readCheckpoint(file: string): Checkpoint {
  const { tensors, metadata } = openSafetensors(file);
  const text = parseCheckpoint(metadata.get(CHECKPOINT_KEY));
  if (text === null) throw invalid(file, "a file of tensors without a run's progress");
  const read = [...tensors].map(([name, tensor]): readonly [string, HostTensor] => {
    const { dtype, shape: dims } = tensor;
    if (dtype !== "float") throw invalid(file, `a tensor of ${dtype}`, name);
    return [name, { dtype, dims, data: elementsFrom("float", tensor.bytes()) }];
  });
  const { crc32: wanted, ...said } = text;
  const checkpoint = { ...said, tensors: new Map(read) };
  if (wanted !== undefined && wanted !== checksumOf(checkpoint.tensors))
    throw invalid(file, "tensors whose checksum is another than when they were written");
  return checkpoint;
}

/** CRC-32 over the bytes of all tensors, by their names in order. */
function checksumOf(tensors: Tensors): number {
  const names = [...tensors.keys()].sort();
  return names.reduce((sum, name) => crc32(bytesOf(tensors.get(name)), sum), 0);
}

/** Says of a file that it is no checkpoint of a run. */
export function invalid(file: string, found: string, name?: string): TfcError {
  const place = name === undefined ? { file } : { file, name };
  return inputError("TRAIN_CHECKPOINT_INVALID", place, { found });
}

function bytesOf(tensor: HostTensor | undefined): Uint8Array {
  const data = tensor?.data;
  if (!ArrayBuffer.isView(data)) throw new Error("a tensor that is not there");
  // A copy: the next step may write into it before it is on the disk.
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** @throws TfcError TRAIN_CHECKPOINT_INVALID where a checkpoint has other tensors than a graph trains */
export function checkParameters(file: string, { tensors }: Checkpoint, { parameters }: Training): void {
  const wanted = parameters.flatMap(({ name, shape }) => {
    const { value, expAvg, expAvgSq } = parameterPorts(name);
    return [value, expAvg, expAvgSq].map((one) => [one, shape] as const);
  });
  for (const [name, shape] of wanted) {
    const found = tensors.get(name)?.dims;
    if (found?.join() === shape.join()) continue;
    throw invalid(file, found === undefined ? "no tensor of this name" : `[${found.join()}]`, name);
  }
}
