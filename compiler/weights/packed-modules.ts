import { MAGNITUDE } from "../adapters/dora.ts";
import { inputError, type TfcError } from "../diagnostics/error.ts";
import { byteSize } from "../ir/dtype.ts";
import { siteName } from "../sites/names.ts";
import { packedKinds, type PackedKind } from "../sites/site.ts";
import type { AdapterFile, AdapterPart } from "./adapter-file.ts";
import { parseFingerprint } from "./base.ts";
import { checkLeafSize } from "./leaf-size.ts";
import type { WeightTensor } from "./weight.ts";

/**
 * The parts of an adapter as the modules of its base are in Hugging Face's model, as far as the adapter says how they
 * are: LoRA of projections that one module holds becomes LoRA of the module, the reverse of `unpackedParts`.
 *
 * Where all have one A, B is theirs one under another. Else A is, too, and B has theirs as blocks of its diagonal:
 * [B_q 0; 0 B_k]([A_q; A_k] x) = [B_q A_q x; B_k A_k x], of the sum of their ranks. A projection without LoRA has rows
 * of zeros. No number changes but rank and alpha, whose scale stays what it was.
 *
 * @throws TfcError ADAPTER_FORMAT_CANNOT where the projections' LoRA is scaled or typed differently, is another's in
 *   part (DoRA), or has other widths than the base's; ADAPTER_TOO_LARGE; what reading a leaf throws
 */
export function packedParts(adapter: Pick<AdapterFile, "file" | "parts" | "base">): readonly AdapterPart[] {
  const { file, parts, base } = adapter;
  const packed = parseFingerprint(base ?? "")?.packed ?? {};
  const modules = Object.entries(packed) as [PackedKind, readonly number[]][];
  return modules.reduce((some, [kind, widths]) => {
    const kinds: readonly string[] = packedKinds[kind];
    const isHeld = ({ site, kind: of }: AdapterPart): boolean => of === "lora" && kinds.includes(site.site);
    return some.flatMap((part): readonly AdapterPart[] => {
      if (!isHeld(part)) return [part];
      const { layer, copy } = part.site;
      const held = some.filter((one) => isHeld(one) && one.site.layer === layer && one.site.copy === copy);
      return part === held[0] ? [packedPart(file, kind, widths, held)] : [];
    });
  }, parts);
}

function packedPart(
  file: string,
  kind: PackedKind,
  widths: readonly number[],
  parts: readonly AdapterPart[],
): AdapterPart {
  const [first] = parts;
  if (first === undefined) throw new Error("no projection of a module has LoRA");
  const site = { ...first.site, site: kind };
  const cannot = (what: string): TfcError =>
    inputError(
      "ADAPTER_FORMAT_CANNOT",
      { file, name: siteName(site) },
      { format: "the base's module", what },
    );
  const rows = packedKinds[kind].map(
    (one, i) =>
      new Rows(
        parts.find((part) => part.site.site === one),
        widths[i],
      ),
  );
  for (const row of rows) {
    const wrong = row.wrong(first);
    if (wrong !== null) throw cannot(wrong);
  }
  const isShared = rows.every((row) => row.hasA(first));
  const rank = isShared ? rankOf(first) : parts.reduce((sum, part) => sum + rankOf(part), 0);
  const bottoms = isShared ? rows.map(() => 0) : startsOf(rows.map(({ rank: own }) => own));
  const a = isShared ? [first] : parts;
  const height = widths.reduce((sum, width) => sum + width, 0);
  checkLeafSize(`${siteName(site)}.${B}`, [height, rank]);
  const leaves = new Map<string, WeightTensor>([
    [
      A,
      stacked(rows.flatMap(({ part }) => (part !== undefined && a.includes(part) ? [leafOf(part, A)] : []))),
    ],
    [B, stacked(rows.map((row, i) => row.widened(rank, bottoms[i] ?? 0, leafOf(first, B).dtype)))],
  ]);
  if (first.leaves.has(MAGNITUDE))
    leaves.set(MAGNITUDE, stacked(rows.map(({ part }) => leafOf(part ?? first, MAGNITUDE))));
  const growth = rank / rankOf(first);
  const alpha =
    Number(first.settings["alpha"]) * (first.settings["rslora"] === true ? Math.sqrt(growth) : growth);
  return { ...first, site, settings: { ...first.settings, rank, alpha }, leaves };
}

const [A, B] = ["lora_A.weight", "lora_B.weight"];

/** The rows of a packed module that are one projection's. */
class Rows {
  readonly part: AdapterPart | undefined;
  readonly #width: number;

  constructor(part: AdapterPart | undefined, width = 0) {
    this.part = part;
    this.#width = width;
  }

  get rank(): number {
    return this.part === undefined ? 0 : rankOf(this.part);
  }

  /** Why they cannot stand in one module with those of another projection; null where they can. */
  wrong(other: AdapterPart): string | null {
    const isDora = other.leaves.has(MAGNITUDE);
    if (this.part === undefined)
      return isDora
        ? "DoRA of some of its projections alone, whose other magnitudes are not in the adapter"
        : null;
    const { leaves, settings } = this.part;
    const name = siteName(this.part.site);
    if (leaves.has(MAGNITUDE) !== isDora)
      return `DoRA of some of its projections and LoRA of others, ${name}`;
    if (scaleOf(this.part) !== scaleOf(other) || settings["rslora"] !== other.settings["rslora"])
      return `LoRA of projections that are scaled differently, ${name} by ${scaleOf(this.part)} and ${siteName(other.site)} by ${scaleOf(other)}`;
    for (const [leaf, { dtype }] of leaves)
      if (dtype !== other.leaves.get(leaf)?.dtype)
        return `LoRA of projections in different types, ${name} in ${dtype}`;
    const [width] = leafOf(this.part, B).shape;
    if (width !== this.#width)
      return `LoRA of ${width} rows at ${name}, which has ${this.#width} in the base`;
    return null;
  }

  /** Whether these have the same A as another projection's, to the bit, or none that would differ. */
  hasA(other: AdapterPart): boolean {
    if (this.part === undefined || this.part === other) return true;
    const [own, others] = [leafOf(this.part, A), leafOf(other, A)];
    return own.shape.join() === others.shape.join() && Buffer.compare(own.bytes(), others.bytes()) === 0;
  }

  /** B with zeros before and behind its columns. */
  widened(rank: number, start: number, dtype: WeightTensor["dtype"]): WeightTensor {
    const size = byteSize(dtype, 1) ?? 0;
    const own = this.part === undefined ? undefined : leafOf(this.part, B);
    const [rows, columns] = [this.#width, this.rank];
    return {
      dtype,
      shape: [rows, rank],
      bytes: () => {
        const all = new Uint8Array(rows * rank * size);
        const bytes = own?.bytes();
        for (let row = 0; bytes !== undefined && row < rows; row++)
          all.set(
            bytes.subarray(row * columns * size, (row + 1) * columns * size),
            (row * rank + start) * size,
          );
        return all;
      },
    };
  }
}

function rankOf(part: AdapterPart): number {
  return leafOf(part, A).shape[0] ?? 0;
}

/** What B(A x) is multiplied by: α/r, of rsLoRA α/√r. */
function scaleOf(part: AdapterPart): number {
  const { alpha, rslora } = part.settings;
  return Number(alpha) / (rslora === true ? Math.sqrt(rankOf(part)) : rankOf(part));
}

function leafOf({ leaves, site }: AdapterPart, leaf: string): WeightTensor {
  const tensor = leaves.get(leaf);
  if (tensor === undefined) throw new Error(`LoRA without ${leaf} at ${siteName(site)}`);
  return tensor;
}

/** Where each of some stretches begins that lie behind one another. */
function startsOf(lengths: readonly number[]): readonly number[] {
  let end = 0;
  return lengths.map((length) => (end += length) - length);
}

/** Tensors one under another. */
function stacked(tensors: readonly WeightTensor[]): WeightTensor {
  const [first] = tensors;
  if (first === undefined) throw new Error("nothing to stack");
  const rows = tensors.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
  return {
    dtype: first.dtype,
    shape: [rows, ...first.shape.slice(1)],
    bytes: () => new Uint8Array(Buffer.concat(tensors.map((tensor) => tensor.bytes()))),
  };
}
