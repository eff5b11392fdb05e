import { MAGNITUDE } from "../adapters/dora.ts";
import { inputError } from "../diagnostics/error.ts";
import { byteSize } from "../ir/dtype.ts";
import { isPacked, siteName } from "../sites/names.ts";
import { packedKinds, type ProjectionKind, type SiteRef } from "../sites/site.ts";
import type { AdapterFile, AdapterPart } from "./adapter-file.ts";
import { sizeOf, type WeightTensor } from "./weight.ts";

/** The leaves of LoRA that have a row for each feature that comes out. */
const ofRows: ReadonlySet<string> = new Set(["lora_B.weight", MAGNITUDE]);

/** How many features a projection of a model has; null where there is none. */
export type WidthOf = (site: SiteRef & { readonly site: ProjectionKind }) => number | null;

/**
 * The parts of an adapter, LoRA of packed modules taken apart: with B = [B_q; B_k; B_v] the product B(A x) is that of
 * each projection's own rows, one under another. A and the settings are the same for all. One that the model has no
 * projections for stays as it is.
 *
 * @throws TfcError ADAPTER_LEAF_SHAPE where B has another number of rows than the projections have features
 */
export function unpackedParts(
  { file, parts }: Pick<AdapterFile, "file" | "parts">,
  widthOf: WidthOf,
): readonly AdapterPart[] {
  return parts.flatMap((part) => {
    const { site, kind, leaves } = part;
    if (kind !== "lora" || !isPacked(site.site)) return [part];
    const sites = packedKinds[site.site].map((one) => ({ ...site, site: one }));
    const widths = sites.map(widthOf);
    if (!widths.every((width) => width !== null)) return [part];
    checkRows(file, part, widths);
    let start = 0;
    return sites.map((own, i): AdapterPart => {
      const from = start;
      start += widths[i] ?? 0;
      const to = start;
      const cut = [...leaves].map(
        ([leaf, tensor]) => [leaf, ofRows.has(leaf) ? rowsOf(tensor, from, to) : tensor] as const,
      );
      return { ...part, site: own, leaves: new Map(cut) };
    });
  });
}

function checkRows(file: string, { site, leaves }: AdapterPart, widths: readonly number[]): void {
  const shape = leaves.get("lora_B.weight")?.shape ?? [];
  const rows = widths.reduce((a, b) => a + b, 0);
  if (shape[0] === rows) return;
  throw inputError(
    "ADAPTER_LEAF_SHAPE",
    { file, name: `${siteName(site)}.lora_B.weight` },
    { wanted: [rows, ...shape.slice(1)].join(), found: shape.join() },
  );
}

/** Some rows of a tensor. */
export function rowsOf(tensor: WeightTensor, from: number, to: number): WeightTensor {
  const shape = [to - from, ...tensor.shape.slice(1)];
  const size = (byteSize(tensor.dtype, 1) ?? 0) * sizeOf({ shape: tensor.shape.slice(1) });
  return { dtype: tensor.dtype, shape, bytes: () => tensor.bytes().subarray(from * size, to * size) };
}
