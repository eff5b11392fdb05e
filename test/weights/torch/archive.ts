import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { readSafetensors } from "../../../compiler/weights/safetensors/safetensors.ts";
import { isDict, isWeight, type TorchValue } from "../../../compiler/weights/torch/index.ts";
import { ZipWriter } from "../../../compiler/weights/torch/zip-write.ts";
import type { WeightTensor } from "../../../compiler/weights/weight.ts";

/** A checkpoint that samples/export/torch_fixtures.py made. */
export function fixture(name: string): string {
  return path.join(import.meta.dirname, "files", name);
}

/** A tensor as a test compares it. */
export interface Leaf {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: string;
}

export function leafOf(tensor: WeightTensor): Leaf {
  return {
    dtype: tensor.dtype,
    shape: [...tensor.shape],
    bytes: Buffer.from(tensor.bytes()).toString("hex"),
  };
}

/** Every tensor of a checkpoint by its path. */
export function leavesOf(value: TorchValue, at: readonly string[] = []): Map<string, Leaf> {
  if (isWeight(value)) return new Map([[at.join("."), leafOf(value)]]);
  const items = isDict(value)
    ? [...value]
    : Array.isArray(value)
      ? [...(value as readonly TorchValue[]).entries()]
      : [];
  return new Map(
    items.flatMap(([key, item]) => [
      ...leavesOf(item, [...at, typeof key === "string" || typeof key === "number" ? String(key) : "?"]),
    ]),
  );
}

/** What PyTorch says of the tensors of a fixture. */
export function expectedLeaves(name: string): Map<string, Leaf> {
  const file = fixture("expected.safetensors");
  const whole = readFileSync(file);
  const found = new Map<string, Leaf>();
  for (const [key, { dtype, shape, offset, length }] of readSafetensors(file).tensors) {
    if (!key.startsWith(`${name}:`)) continue;
    const bytes = whole.toString("hex", offset, offset + length);
    found.set(key.slice(name.length + 1), { dtype, shape, bytes });
  }
  return found;
}

/** Text, numbers and bytes of a pickle, one after another; text is taken as it is. */
export function pickle(...parts: readonly (string | number | Uint8Array)[]): Uint8Array {
  return Buffer.concat(
    parts.map((part) =>
      typeof part === "string"
        ? Buffer.from(part)
        : typeof part === "number"
          ? Uint8Array.of(part)
          : Buffer.from(part),
    ),
  );
}

/** BINUNICODE */
export function text(value: string): Uint8Array {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return pickle("X", length, bytes);
}

/** BININT */
export function int(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return pickle("J", bytes);
}

/** LONG1 of eight bytes */
export function long(value: bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return pickle(0x8a, 8, bytes);
}

export function global(module: string, name: string): string {
  return `c${module}\n${name}\n`;
}

/** A storage of the archive, on the stack. */
export function storage(type: string, key: string, count: number | Uint8Array): Uint8Array {
  const size = typeof count === "number" ? int(count) : count;
  return pickle("(", text("storage"), global("torch", type), text(key), text("cpu"), size, "tQ");
}

/** A tensor, of anything that is given for its storage, offset, size and stride. */
export function tensor(
  data: Uint8Array,
  offset: Uint8Array,
  size: readonly Uint8Array[],
  stride: readonly Uint8Array[],
): Uint8Array {
  const hooks = pickle(global("collections", "OrderedDict"), ")R");
  const tuple = (items: readonly Uint8Array[]): Uint8Array => pickle("(", ...items, "t");
  return pickle(
    global("torch._utils", "_rebuild_tensor_v2"),
    ...["(", data, offset, tuple(size), tuple(stride), 0x89, hooks, "tR"],
  );
}

/** A dict with one value. */
export function dictOf(key: string, value: Uint8Array): Uint8Array {
  return pickle(0x80, 2, "}", text(key), value, "s.");
}

/** Writes an archive with this pickle. */
export function archive(
  file: string,
  data: Uint8Array,
  records: Readonly<Record<string, string | Uint8Array>> = {},
  top = "archive",
): string {
  const zip = new ZipWriter(file);
  zip.add(`${top}/data.pkl`, data);
  for (const [name, bytes] of Object.entries(records)) zip.add(`${top}/${name}`, Buffer.from(bytes));
  zip.end();
  zip.close();
  return file;
}

/** Fields of a record in the list at an archive's end: where in its header, and how many bytes. */
const fields = {
  flags: [8, 2],
  method: [10, 2],
  crc: [16, 4],
  stored: [20, 4],
  size: [24, 4],
  offset: [42, 4],
} as const;

/** Lies about a record in the list at the end of an archive. */
export function lie(file: string, name: string, field: keyof typeof fields, value: number): string {
  const bytes = readFileSync(file);
  // The name stands in the local header and, last, in the list.
  const header = bytes.lastIndexOf(name) - 46;
  const [at, length] = fields[field];
  bytes.writeUIntLE(value, header + at, length);
  writeFileSync(file, bytes);
  return file;
}
