import { torchTypeNamed, torchTypeOfStorage, type TorchType } from "./dtype.ts";
import { quoted } from "./file.ts";
import { numpyScalar, numpyType } from "./numpy.ts";
import { describe, Maker, StorageClass, type Call, type Pickled } from "./pickled.ts";
import { StoredData, StoredTensor, type View } from "./tensor.ts";
import { OrderedDict } from "./value.ts";

/** PyTorch knows no tensor of more dimensions. */
const RANK_LIMIT = 64;

/** All that a pickle may call, by module and name. Each has a stand-in that makes plain data and nothing else. */
const makers: ReadonlyMap<string, Maker> = new Map(
  Object.entries<Maker["make"]>({
    "collections.OrderedDict": (args, call) => {
      if (args.length > 0) throw call.unsupported("an OrderedDict with its items as arguments");
      // It is typed for what it holds when all has been read.
      return new OrderedDict() as Map<Pickled, Pickled>;
    },
    "torch._utils._rebuild_tensor_v2": rebuildTensor,
    "torch._utils._rebuild_tensor_v3": rebuildTypedTensor,
    "torch._utils._rebuild_parameter": rebuildParameter,
    // The fourth argument is what the program has noted at the parameter: no part of its value.
    "torch._utils._rebuild_parameter_with_state": rebuildParameter,
    "torch.Size": (args, call) => onlyArray(args, call),
    "torch.device": device,
    "builtins.set": (args, call) => (args.length === 0 ? [] : onlyArray(args, call)),
    "builtins.frozenset": (args, call) => (args.length === 0 ? [] : onlyArray(args, call)),
    "builtins.bytes": encode,
    "builtins.bytearray": encode,
    "_codecs.encode": encode,
    "numpy.dtype": numpyType,
    "numpy.core.multiarray.scalar": numpyScalar,
    "numpy._core.multiarray.scalar": numpyScalar,
  }).map(([name, make]) => [name, new Maker(name, make)]),
);

/**
 * What a global of a pickle stands for, or undefined for one that is not allowed. PyTorch's element types are text:
 * `torch.float32`.
 */
export function globalOf(module: string, name: string): Pickled | undefined {
  // Protocol 2 calls the module as Python 2 did.
  const full = `${module === "__builtin__" ? "builtins" : module}.${name}`;
  const maker = makers.get(full);
  if (maker !== undefined) return maker;
  if (module === "torch.storage" && name === "UntypedStorage") return new StorageClass(full, null);
  if (module !== "torch") return undefined;
  const storage = torchTypeOfStorage(name);
  if (storage !== undefined) return new StorageClass(full, storage);
  return torchTypeNamed(name) === undefined ? undefined : full;
}

/** `(storage, offset, size, stride, requires_grad, backward_hooks, metadata?)` */
function rebuildTensor(args: readonly Pickled[], call: Call): Pickled {
  const [data, , , , , , flags] = args;
  const type = data instanceof StoredData ? data.type : null;
  if (type === null) {
    throw call.invalid(`a tensor of ${describe(data ?? null)}, not of a storage with a type`);
  }
  return tensor(args, type, flags, call);
}

/** `(storage, offset, size, stride, requires_grad, backward_hooks, dtype, metadata?)`: for types without a storage. */
function rebuildTypedTensor(args: readonly Pickled[], call: Call): Pickled {
  const [, , , , , , name, flags] = args;
  const type = typeof name === "string" ? torchTypeNamed(name.replace(/^torch\./, "")) : undefined;
  if (type === undefined) throw call.invalid(`a tensor of the type ${describe(name ?? null)}`);
  return tensor(args, type, flags, call);
}

function tensor(args: readonly Pickled[], type: TorchType, flags: Pickled | undefined, call: Call): Pickled {
  const [data, offset, size, stride] = args;
  if (!(data instanceof StoredData)) throw call.invalid(`a tensor of ${describe(data ?? null)}`);
  // Lazy conjugation and negation: the stored numbers are not those of the tensor.
  if (flags instanceof Map && (flags.get("conj") === true || flags.get("neg") === true)) {
    throw call.unsupported(`a lazily negated tensor of storage ${quoted(data.key)}`);
  }
  const [shape, strides] = [sizes(size), sizes(stride)];
  if (!isSize(offset) || shape === null || strides?.length !== shape.length) {
    throw call.invalid(`a tensor of storage ${quoted(data.key)} with a bad offset, size or stride`);
  }
  const view: View = { offset, shape, strides };
  return new StoredTensor(data, type, view);
}

function isSize(value: Pickled | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function sizes(value: Pickled | undefined): readonly number[] | null {
  return Array.isArray(value) && value.length <= RANK_LIMIT && value.every(isSize) ? value : null;
}

/** `(data, requires_grad, backward_hooks, state?)` */
function rebuildParameter([data]: readonly Pickled[], call: Call): Pickled {
  if (data instanceof StoredTensor) return data;
  throw call.invalid(`a parameter of ${describe(data ?? null)}, not of a tensor`);
}

/** A set or size shares the array that it is made of: a copy each time could be made to fill the memory. */
function onlyArray(args: readonly Pickled[], call: Call): Pickled {
  const [items] = args;
  if (args.length === 1 && Array.isArray(items)) return items;
  throw call.invalid(
    `a set or size of ${args.length === 1 ? describe(items ?? null) : `${args.length} values`}`,
  );
}

/** `("cpu",)` or `("cuda", 0)` */
function device([type, index = null]: readonly Pickled[], call: Call): Pickled {
  if (typeof type !== "string") throw call.invalid(`a device named by ${describe(type ?? null)}`);
  return typeof index === "number" ? `${type}:${index}` : type;
}

/** Protocol 2 has no bytes: it encodes a text whose characters are the bytes. */
function encode([text = "", encoding = "latin1"]: readonly Pickled[], call: Call): Pickled {
  // `bytearray` is given what another call encoded.
  if (text instanceof Uint8Array) return text;
  if (typeof text !== "string" || (encoding !== "latin1" && encoding !== "latin-1")) {
    throw call.unsupported(`bytes made of ${describe(text)} in an encoding other than latin1`);
  }
  call.spend(text.length);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) throw call.invalid("bytes made of text that is not latin1");
    bytes[i] = code;
  }
  return bytes;
}
