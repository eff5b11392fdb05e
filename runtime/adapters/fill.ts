import { adapterKinds } from "../../compiler/adapters/index.ts";
import type { AdapterKind } from "../../compiler/adapters/kind.ts";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { parseSiteName, siteKey, siteName } from "../../compiler/sites/names.ts";
import type { AdapterFile, AdapterPart } from "../../compiler/weights/adapter-file.ts";
import { coefficientsIn } from "../../compiler/weights/coefficients.ts";
import { convert } from "../../compiler/weights/convert.ts";
import { checkExpected } from "../../compiler/weights/expected.ts";
import { checkFinite } from "../../compiler/weights/finite.ts";
import { unpackedParts } from "../../compiler/weights/packed.ts";
import {
  elementsFrom,
  sizeOf,
  zeros,
  type ElementType,
  type HostTensor,
  type Tensors,
} from "../session/tensor.ts";
import type { AdapterInterface, AdapterPort } from "./interface.ts";

/** The size of what stands for no adapter: 0, or 1, of zeros, where a provider takes no tensor without elements. */
export type LeastSize = 0 | 1;

/**
 * Feeds of a graph with adapters as inputs that stand for no adapter: of the least size, so that the base model runs.
 *
 * @param least 1 where the graph runs on WebGPU, which takes no tensor without elements
 */
export function noAdapter({ ports }: AdapterInterface, least: LeastSize = 0): Tensors {
  return new Map(ports.map((port) => [port.port.name, emptyPort(port, ports, least)]));
}

/**
 * Feeds of a graph, of an adapter that belongs to its base. Sites that it has nothing for get the least size.
 *
 * @param model what messages call the graph
 * @throws TfcError ADAPTER_SITE_MISSING, ADAPTER_LEAF_SHAPE, ADAPTER_KIND_OTHER, ADAPTER_NOT_FINITE, OVERRIDE_REFUSED
 */
export function filled(
  taken: AdapterInterface,
  adapter: AdapterFile,
  model: string,
  least: LeastSize = 0,
): Tensors {
  const [override] = adapter.overrides.keys();
  if (override !== undefined) {
    const why = "a graph takes adapters as inputs, and not weights of the base";
    throw inputError("OVERRIDE_REFUSED", { file: adapter.file, name: override }, { model, why });
  }
  checkExpected(
    adapter,
    taken.ports.flatMap(({ site }) => parseSiteName(`layers.${site}`) ?? []),
  );
  const apart = unpackedParts(adapter, (site) => widthOf(taken.ports, siteKey(site)));
  const parts = new Map(apart.map((part) => [siteKey(part.site), part]));
  for (const part of apart) checkPart(part, taken.ports, adapter.file, model);
  return new Map(
    taken.ports.map((port) => {
      const part = parts.get(port.site);
      const tensor =
        part === undefined ? emptyPort(port, taken.ports, least) : filledPort(port, part, adapter.file);
      return [port.port.name, tensor];
    }),
  );
}

/** The features of a projection, as B `[out, r]` has them; null where the graph takes no LoRA there. */
function widthOf(ports: readonly AdapterPort[], site: string): number | null {
  const width = ports.find((port) => port.site === site && port.part === "lora_B.weight")?.port.dims[0];
  return typeof width === "number" ? width : null;
}

function checkPart(part: AdapterPart, ports: readonly AdapterPort[], file: string, model: string): void {
  const site = siteName(part.site);
  const [first] = ports.filter((port) => port.site === siteKey(part.site));
  const [leaf = ""] = part.leaves.keys();
  if (first === undefined) {
    throw inputError("ADAPTER_SITE_MISSING", { file, name: `${site}.${leaf}` }, { site, model });
  }
  const kind = kindOf(first);
  const wanted = `${kind.name} ${kind.bodyKey(first.settings)}`.trim();
  // Beside a projection it would be added to what it was trained to stand for.
  const place = part.replaces === true ? " in place of what the base has there" : "";
  const found = part.kind === kind.name ? `${part.kind} ${kind.bodyKey(part.settings)}`.trim() : part.kind;
  if (wanted === `${found}${place}`) return;
  throw inputError("ADAPTER_KIND_OTHER", { file, name: site }, { wanted, found: `${found}${place}` });
}

function kindOf({ kind }: AdapterPort): AdapterKind {
  const known = adapterKinds.get(kind);
  if (known === undefined) throw new Error(`no adapter kind ${kind}`);
  return known;
}

function emptyPort(taken: AdapterPort, ports: readonly AdapterPort[], least: LeastSize): HostTensor {
  const { port, part, isCoefficient } = taken;
  const dtype = floatOf(port.dtype, port.name);
  if (isCoefficient) return coefficientOf(dtype, kindOf(taken).neutral[part] ?? 1);
  const dims = least === 0 ? withoutSize(port) : dimsOfOne(taken, ports);
  return { dtype, dims, data: zeros(dtype, sizeOf(dims)) };
}

function withoutSize({ dims }: AdapterPort["port"]): readonly number[] {
  return dims.map((dim) => (typeof dim === "number" ? dim : 0));
}

/** Dimensions of a leaf of an adapter of size 1. */
function dimsOfOne(taken: AdapterPort, ports: readonly AdapterPort[]): readonly number[] {
  const { site, part, settings, port } = taken;
  const kind = kindOf(taken);
  const shapes = ports
    .filter((one) => one.site === site)
    .map((one) => [one.part, withoutSize(one.port)] as const);
  const width = { ...kind.widthOf(new Map(shapes)), dtype: "float" } as const;
  const leaves = kind.leaves(width, { ...settings, [kind.size]: 1 });
  return leaves.find(({ name }) => name === part)?.shape ?? withoutSize(port);
}

function coefficientOf(dtype: FloatType, value: number): HostTensor {
  const bytes = convert(new Uint8Array(Float64Array.of(value).buffer), "double", dtype);
  return { dtype, dims: [1], data: elementsFrom(dtype, bytes) };
}

function filledPort(taken: AdapterPort, given: AdapterPart, file: string): HostTensor {
  const { port, part, isCoefficient } = taken;
  const kind = kindOf(taken);
  const dtype = floatOf(port.dtype, port.name);
  const place = { file, name: port.name };
  if (isCoefficient) {
    const value = coefficientsIn(dtype, kind, given.settings, place).get(part) ?? 1;
    return coefficientOf(dtype, value);
  }
  const leaf = given.leaves.get(part);
  if (leaf === undefined)
    throw inputError("ADAPTER_LEAF_MISSING", place, { kind: kind.name, missing: [part] });
  const fits =
    leaf.shape.length === port.dims.length &&
    port.dims.every((dim, i) => typeof dim === "string" || dim === leaf.shape[i]);
  if (!fits) {
    throw inputError("ADAPTER_LEAF_SHAPE", place, { wanted: port.dims.join(), found: leaf.shape.join() });
  }
  const bytes = leaf.bytes();
  checkFinite(place, leaf.dtype, bytes);
  const typed = convert(bytes, leaf.dtype, dtype);
  if (leaf.dtype !== dtype) checkFinite(place, dtype, typed);
  return { dtype, dims: leaf.shape, data: elementsFrom(dtype, typed) };
}

type FloatType = "float" | "double" | "float16";

function floatOf(dtype: ElementType | null, name: string): FloatType {
  if (dtype === "float" || dtype === "double" || dtype === "float16") return dtype;
  throw inputError("VERIFY_INPUT", { name }, { name, type: dtype ?? "of a type that JavaScript has not" });
}
