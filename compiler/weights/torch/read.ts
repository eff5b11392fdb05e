import { inputError, type TfcError } from "../../diagnostics/error.ts";
import { placeInFile, quoted, reading, torchInvalid, type Source } from "./file.ts";
import { unpickle, type Persistent } from "./pickle.ts";
import { describe, Maker, NumpyType, StorageClass, type Pickled, type PickledLeaf } from "./pickled.ts";
import { StoredData, StoredTensor } from "./tensor.ts";
import type { TorchValue } from "./value.ts";
import { walkTree } from "./walk.ts";
import { ZipFile } from "./zip.ts";

/** Bytes of a pickle above which a file is refused: it holds names and numbers, not the tensors. */
const PICKLE_LIMIT = 2 ** 28;

const ZIP_MAGIC = Uint8Array.of(0x50, 0x4b, 0x03, 0x04);
/** The number that a checkpoint of PyTorch before 1.6 begins with, little-endian, inside a pickle. */
const OLD_MAGIC = Buffer.from("6cfc9c46f9206aa85019", "hex");

/**
 * Whether a file begins as a zip archive does, and so may be a checkpoint of `torch.save`. A folder does not.
 *
 * @throws TfcError FILE_NOT_FOUND, TORCH_INVALID where it cannot be read
 */
export function isTorchFile(file: string): boolean {
  return reading(file, (source) => source.isFile && isZip(beginning(source)));
}

/**
 * Reads a checkpoint that `torch.save` wrote, without running anything of it: its pickle is read as data, and what
 * is more than data is refused. Tensors are read when their bytes are asked for; until then the file must stay as it
 * is. Of parameters only the tensor is kept, and of an OrderedDict nothing but its items.
 *
 * @throws TfcError FILE_NOT_FOUND; TORCH_INVALID where the file is broken, with the leaf at fault where that is
 *   known; TORCH_FORBIDDEN where it asks for code; TORCH_UNSUPPORTED where it holds what tfc has no form for
 */
export function readTorch(file: string): TorchValue {
  checkMagic(file);
  const zip = new ZipFile(file);
  const top = topFolder(zip);
  const record = (name: string): Uint8Array | null => {
    const entry = zip.entries.get(`${top}/${name}`);
    if (entry === undefined) return null;
    if (entry.size <= PICKLE_LIMIT) return zip.read(entry);
    throw unsupported(file, `a ${name} of ${entry.size} bytes (the limit is ${PICKLE_LIMIT})`);
  };
  checkByteOrder(file, record("byteorder"));
  const pickle = record("data.pkl");
  if (pickle === null) throw torchInvalid(file, "a zip archive without data.pkl in its folder");
  const root = unpickle(file, pickle, storages(zip, top));
  walkTree<PickledLeaf>(
    root,
    (leaf, path) => {
      checkLeaf(file, leaf, path);
    },
    (why, name) => inputError("TORCH_UNSUPPORTED", placeInFile(file, name), { what: why }),
  );
  // The walk has refused every leaf that is no TorchLeaf.
  return root as TorchValue;
}

function unsupported(file: string, what: string, fix?: string): TfcError {
  return inputError("TORCH_UNSUPPORTED", { file }, { what, ...(fix === undefined ? {} : { fix }) });
}

function beginning(source: Source): Uint8Array {
  return source.read(0, Math.min(source.size, 32));
}

function isZip(bytes: Uint8Array): boolean {
  return ZIP_MAGIC.every((byte, i) => bytes[i] === byte);
}

function checkMagic(file: string): void {
  const [bytes, size] = reading(file, (source) => [beginning(source), source.size]);
  if (isZip(bytes)) return;
  if (Buffer.from(bytes.buffer).includes(OLD_MAGIC)) {
    throw unsupported(
      file,
      "the format of PyTorch before 1.6, a bare pickle",
      "load it with a current PyTorch, which may run its code, and torch.save it again",
    );
  }
  throw torchInvalid(file, `${size} bytes that do not begin as a zip archive does`);
}

/** An archive has one folder at its top, of any name: that of its first record. */
function topFolder(zip: ZipFile): string {
  const [first = ""] = zip.entries.keys();
  return first.split("/", 1)[0] ?? "";
}

function checkByteOrder(file: string, bytes: Uint8Array | null): void {
  if (bytes === null) return;
  const order = Buffer.from(bytes).toString("latin1").trim();
  if (order === "little") return;
  if (order !== "big") throw torchInvalid(file, `a byteorder ${quoted(order)}, neither little nor big`);
  throw unsupported(file, "numbers of big-endian byte order", "save it again on a little-endian machine");
}

/** Persistent ids name storages: `("storage", torch.FloatStorage, "0", "cpu", 6)`. */
function storages(zip: ZipFile, top: string): Persistent {
  return (id, call) => {
    const [kind, type, key, , count] = Array.isArray(id) ? id : [];
    if (kind !== "storage")
      throw call.forbidden(`a persistent id of ${describe(kind ?? id)}, not of a storage`);
    if (!(type instanceof StorageClass) || typeof key !== "string") {
      throw call.invalid("a persistent id without the type and key of a storage");
    }
    if (typeof count !== "number" || !Number.isSafeInteger(count) || count < 0) {
      throw call.invalid(`the storage ${quoted(key)} of no valid size`);
    }
    const entry = zip.entries.get(`${top}/data/${key}`);
    if (entry === undefined)
      throw call.invalid(`the storage ${quoted(key)}, which the archive does not have`);
    return new StoredData(zip, entry, key, type.type, count);
  };
}

function checkLeaf(file: string, leaf: PickledLeaf, path: () => string): void {
  if (leaf instanceof StoredTensor) leaf.check(path());
  else if (leaf instanceof StoredData || leaf instanceof NumpyType || isClass(leaf)) {
    throw inputError("TORCH_UNSUPPORTED", placeInFile(file, path()), {
      what: `${describe(leaf)} as a value`,
    });
  }
}

function isClass(leaf: Pickled): boolean {
  return leaf instanceof StorageClass || leaf instanceof Maker;
}
