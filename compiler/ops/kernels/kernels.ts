import type { ValueType } from "../../ir/type.ts";
import type { Provider } from "../providers.ts";
import { isDType, type DType } from "../../ir/dtype.ts";
import { opKernels, typeLetters, typeSets } from "./kernels-data.ts";
import { webgpuKernels } from "./webgpu-data.ts";

/** What the table says of a type: an element type, or that the value is no tensor. */
export type KernelType = DType | "seq" | "optional" | "map";

/** Operands of an op, each by the name of its type parameter, or by the one type that it has. */
export interface Signature {
  readonly inputs: readonly Parameter[];
  readonly outputs: readonly Parameter[];
}

export interface Parameter {
  /** Name of a type parameter; null where the type is fixed. */
  readonly variable: string | null;
  readonly type: KernelType | null;
  /** Whether it stands for any number of operands. */
  readonly isVariadic: boolean;
}

/** Kernels for some versions of an op and some types. */
export interface Kernel {
  /** First and last version (of those in which the op changed). */
  readonly first: number;
  readonly last: number;
  /** What it takes for each type parameter; others may be anything. */
  readonly types: ReadonlyMap<string, ReadonlySet<KernelType>>;
}

/** What onnxruntime has of one op. */
export interface OpKernels {
  /** By the version since which it is so, oldest first. */
  readonly versions: readonly { readonly since: number; readonly signature: Signature }[];
  readonly kernels: Readonly<Record<Provider, readonly Kernel[]>>;
  readonly host: Readonly<Record<Provider, HostMemory>>;
}

/** Inputs and outputs that a provider's kernels read from and write to the CPU's memory, of those of a device. */
export interface HostMemory {
  readonly inputs: ReadonlySet<number>;
  readonly outputs: ReadonlySet<number>;
}

const letters = typesByLetter();
/** Read one by one when an op asks, since most compiles ask for a few. */
const setTexts = typeSets.split(" ");
const sets = new Map<string, ReadonlySet<KernelType>>();
const lines = linesOf(opKernels);
const webgpuLines = linesOf(webgpuKernels);
const read = new Map<string, OpKernels | null>();

/** What onnxruntime has of an op, by `Node.op`; null of one that it does not know. */
export function kernelsOf(op: string): OpKernels | null {
  let known = read.get(op);
  if (known === undefined) {
    const text = lines.get(op);
    read.set(op, (known = text === undefined ? null : parse(text, webgpuLines.get(op) ?? "")));
  }
  return known;
}

/** The version since which an op is as it is in an opset; null where onnxruntime does not know it. */
export function sinceOf(op: OpKernels, opset: number): number | null {
  return op.versions.findLast(({ since }) => since <= opset)?.since ?? null;
}

/** What an op takes and gives in an opset. */
export function signatureOf(op: OpKernels, opset: number): Signature | null {
  return op.versions.findLast(({ since }) => since <= opset)?.signature ?? null;
}

/** The kernels of a provider for a version of an op (see {@link sinceOf}), whatever types they take. */
export function kernelsFor(op: OpKernels, provider: Provider, since: number): readonly Kernel[] {
  return op.kernels[provider].filter(({ first, last }) => first <= since && since <= last);
}

/** Whether a kernel takes some types, by type parameter; a type that is not known may be any. */
export function takes({ types }: Kernel, bound: ReadonlyMap<string, KernelType | null>): boolean {
  return [...types].every(([variable, allowed]) => {
    const type = bound.get(variable) ?? null;
    return type === null || allowed.has(type);
  });
}

/** A value's type as the table speaks of it; null where it is not known. */
export function kernelType(type: ValueType | undefined): KernelType | null {
  switch (type?.kind) {
    case "tensor":
      return type.dtype;
    case "seq":
    case "optional":
    case "map":
      return type.kind;
    default:
      return null;
  }
}

function typesByLetter(): ReadonlyMap<string, KernelType> {
  const types = new Map<string, KernelType>([
    ["q", "seq"],
    ["o", "optional"],
    ["m", "map"],
  ]);
  const words = typeLetters.split(" ");
  words.forEach((name, i) => {
    if (isDType(name)) types.set(words[i - 1] ?? "", name);
  });
  return types;
}

function typesOfLetters(text: string): ReadonlySet<KernelType> {
  return new Set([...letters].flatMap(([letter, type]) => (text.includes(letter) ? [type] : [])));
}

/** What lines say, by the op that they begin with. */
function linesOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split("\n").map((line) => {
      const end = line.indexOf(" | ");
      return [line.slice(0, end), line.slice(end + 3)];
    }),
  );
}

/** @param other what the table of WebGPU's kernels says of the op; nothing where it has none */
function parse(text: string, other: string): OpKernels {
  const [signatures = "", cpu = "", cuda = "", host = ""] = partsOf(text);
  const [webgpu = "", webgpuHost = ""] = partsOf(other);
  return {
    versions: signatures.split("; ").flatMap(parseSignature),
    kernels: {
      cpu: parseKernels(cpu, numberedTypes),
      cuda: parseKernels(cuda, numberedTypes),
      webgpu: parseKernels(webgpu, typesOfLetters),
    },
    host: { cpu: parseHost(""), cuda: parseHost(host), webgpu: parseHost(webgpuHost) },
  };
}

function partsOf(text: string): readonly string[] {
  return text.split("|").map((part) => part.trim());
}

/** `1,2>0` */
function parseHost(text: string): HostMemory {
  const [inputs, outputs] = text.split(">");
  return { inputs: numbersIn(inputs), outputs: numbersIn(outputs) };
}

function numberedTypes(number: string): ReadonlySet<KernelType> {
  const known = sets.get(number) ?? typesOfLetters(setTexts[Number(number)] ?? "");
  sets.set(number, known);
  return known;
}

function parseSignature(text: string): { since: number; signature: Signature }[] {
  const [since = "", operands = ""] = text.split(":");
  const [inputs = "", outputs = ""] = operands.split(">");
  const signature = { inputs: parseParameters(inputs), outputs: parseParameters(outputs) };
  return since.split(",").map((one) => ({ since: Number(one), signature }));
}

function parseParameters(text: string): Parameter[] {
  if (text === "") return [];
  return text.split(",").map((one) => {
    const isVariadic = one.endsWith("*");
    const name = isVariadic ? one.slice(0, -1) : one;
    return name.startsWith("=")
      ? { variable: null, type: letters.get(name.slice(1)) ?? null, isVariadic }
      : { variable: name, type: null, isVariadic };
  });
}

function parseKernels(text: string, typesOf: (text: string) => ReadonlySet<KernelType>): Kernel[] {
  if (text === "") return [];
  return text.split("; ").map((row) => {
    const [versions = "", types = ""] = row.split(":");
    const [first = 0, last = 0] = versions.split("-").map(Number);
    const pairs = types.split(" ").filter((one) => one !== "");
    return {
      first,
      last,
      types: new Map(
        pairs.map((pair) => {
          const [variable = "", set = ""] = pair.split("=");
          return [variable, typesOf(set)];
        }),
      ),
    };
  });
}

function numbersIn(text = ""): ReadonlySet<number> {
  return new Set(text === "" ? [] : text.split(",").map(Number));
}
