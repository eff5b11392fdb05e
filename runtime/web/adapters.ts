import { inputError } from "../../compiler/diagnostics/error.ts";
import { fingerprintDifference, parseFingerprint, type Fingerprint } from "../../compiler/weights/base.ts";
import { headerEnd, parseSafetensors } from "../../compiler/weights/safetensors/header.ts";
import { adapterIn } from "../../compiler/weights/safetensors/parts.ts";
import type { AdapterFile } from "../../compiler/weights/adapter-file.ts";
import type { Hints } from "../../compiler/weights/parts.ts";
import type { AdapterInterface } from "../adapters/interface.ts";
import { filled, type LeastSize } from "../adapters/fill.ts";
import type { Tensors } from "../session/tensor.ts";

/** Where an adapter comes from: a URL of a .safetensors file, or its bytes. */
export type AdapterSource = string | URL | ArrayBuffer | Uint8Array;

/** How an adapter is read. */
export interface AdapterOptions {
  /** Takes one that belongs to another base. */
  readonly force?: boolean;
  /** Settings for what the file does not say, such as the alpha of bare LoRA weights. */
  readonly hints?: Hints;
}

/** What an adapter is read for, and by. */
export interface AdapterReader {
  readonly taken: AdapterInterface;
  /** The size of what stands for no adapter, at sites that one has nothing for. */
  readonly least: LeastSize;
  /** What messages call the graph. */
  readonly model: string;
  readonly read: (url: string) => Promise<Uint8Array>;
}

/**
 * Reads an adapter, and makes feeds of it.
 *
 * @throws TfcError FILE_NOT_FOUND, SAFETENSORS_INVALID, BASE_MISMATCH; ADAPTER_* where it does not fit
 */
export async function adapterFrom(
  source: AdapterSource,
  { taken, least, model, read }: AdapterReader,
  { force = false, hints = {} }: AdapterOptions,
): Promise<Tensors> {
  const name = nameOf(source);
  const adapter = parsed(name, await bytesOf(source, name, read), hints);
  const own = taken.base === null ? null : parseFingerprint(taken.base);
  if (!force && own !== null) checkBase(adapter, own);
  return filled(taken, adapter, model, least);
}

function parsed(name: string, bytes: Uint8Array, hints: Hints): AdapterFile {
  const header = headerEnd(name, bytes.subarray(0, 8), bytes.length);
  const { tensors, metadata } = parseSafetensors(name, bytes.subarray(8, header), {
    header,
    file: bytes.length,
  });
  const opened = [...tensors].map(([leaf, { dtype, shape, offset, length }]) => {
    const read = (): Uint8Array => bytes.subarray(offset, offset + length);
    return [leaf, { dtype, shape, bytes: read }] as const;
  });
  return adapterIn(name, { tensors: new Map(opened), metadata }, hints);
}

/** @throws TfcError BASE_MISMATCH, ADAPTER_METADATA_INVALID */
function checkBase({ file, base }: AdapterFile, own: Fingerprint): void {
  if (base === null) return;
  const other = parseFingerprint(base);
  if (other === null) {
    const why = "the fingerprint of a base, which this version of tfc cannot read";
    throw inputError("ADAPTER_METADATA_INVALID", { file, name: "tfc.base" }, { why });
  }
  const difference = fingerprintDifference(other, own);
  if (difference === null) return;
  const text = ({ layers, hiddenSize }: Fingerprint): string => `${layers} layers of ${hiddenSize}`;
  throw inputError("BASE_MISMATCH", { file }, { wanted: text(other), found: text(own), difference });
}

function nameOf(source: AdapterSource): string {
  if (typeof source === "string" || source instanceof URL) {
    const text = String(source);
    return text.startsWith("data:") ? "an adapter in a data: URL" : text;
  }
  return "an adapter in memory";
}

/** @throws TfcError FILE_NOT_FOUND */
async function bytesOf(
  source: AdapterSource,
  name: string,
  read: (url: string) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  if (typeof source !== "string" && !(source instanceof URL)) return new Uint8Array(source);
  try {
    return await read(String(source));
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw inputError("FILE_NOT_FOUND", { file: name }, { file: name, found }, cause);
  }
}
