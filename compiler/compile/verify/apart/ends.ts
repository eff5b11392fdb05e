import { asTensor } from "../../../ir/type.ts";
import type { DType } from "../../../ir/dtype.ts";
import type { Node } from "../../../ir/node.ts";
import type { Value } from "../../../ir/value.ts";
import { opOf } from "../../../ops/table.ts";
import type { Block, DecoderView, Layer } from "../../../recognize/decoder.ts";
import { projectionsOf } from "../../../recognize/linear/projections.ts";
import { normBehind } from "../../../recognize/norm/around.ts";
import { recognizeNorm } from "../../../recognize/norm/norm.ts";
import { siteKey } from "../../../sites/names.ts";
import type { SiteKind } from "../../../sites/site.ts";

/** What something in a base reads and gives, where an adapter can stand beside it. */
export interface End {
  readonly site: SiteKind;
  readonly input: Value;
  readonly output: Value;
  /** The node that makes the output. */
  readonly node: Node;
  /** Element type of the output; null where it is not known. */
  readonly dtype: DType | null;
  /** Which features of the output it is, of how many; null for all. */
  readonly columns: { readonly start: number; readonly of: number } | null;
}

/** What of a base adapters can stand beside, by the keys of sites: a merged decoder has each twice. */
export function endsIn({ layers }: DecoderView): ReadonlyMap<string, readonly End[]> {
  const found = new Map<string, End[]>();
  for (const layer of layers) {
    for (const end of endsOf(layer)) {
      const key = siteKey({ layer: layer.index, copy: layer.copy, site: end.site });
      found.set(key, [...(found.get(key) ?? []), end]);
    }
  }
  return found;
}

type Drawn = Omit<End, "node">;

function endsOf({ attention, mlp }: Layer): readonly End[] {
  const own = attention === null || attention.kind === "site" ? null : attention;
  const feed = mlp === null || mlp.kind === "site" ? null : mlp;
  const drawn = [
    ...(own === null ? [] : ofBlock(own, "attn")),
    ...(feed === null ? [] : ofBlock(feed, "mlp")),
    ...(feed === null ? [] : ofSteps(feed, own !== null && own.region.input === feed.region.input)),
  ];
  return drawn.flatMap((end) => {
    const node = end.output.producer;
    return node === null ? [] : [{ ...end, node }];
  });
}

function ofBlock(block: Block, site: "attn" | "mlp"): readonly Drawn[] {
  const { input, output } = block.region;
  const whole: Drawn = { site, input, output, dtype: dtypeOf(output) ?? block.outputDtype, columns: null };
  const inside = projectionsOf(block).flatMap(({ linear, parts, dtype }) => {
    const of = parts.reduce((sum, { width }) => sum + width, 0);
    let start = 0;
    return parts.map((part): Drawn => {
      const columns = parts.length === 1 ? null : { start, of };
      start += part.width;
      const ends = { input: linear.input, output: linear.output };
      return { site: part.site, ...ends, dtype: dtypeOf(linear.output) ?? dtype, columns };
    });
  });
  return [whole, ...inside];
}

function ofSteps(mlp: Block, sharesInput: boolean): readonly Drawn[] {
  const { input, output } = mlp.region;
  const dtype = dtypeOf(output) ?? mlp.outputDtype;
  const steps: Drawn[] = [{ site: "mlp_output", input: output, output, dtype, columns: null }];
  const behind = normBehind(mlp.region)?.output;
  if (behind !== undefined) {
    const own = { input: output, output: behind, dtype: dtypeOf(behind) ?? dtype, columns: null };
    steps.push({ site: "post_mlp_norm", ...own });
  }
  const norm = sharesInput ? null : recognizeNorm(input);
  const sum = norm === null ? null : (opOf(norm.node).norm?.sum ?? null);
  const stream = sum === null ? norm?.input : norm?.node.outputs[sum];
  if (stream !== undefined && stream !== null) {
    const own = { input: stream, output: input, dtype: dtypeOf(input) ?? dtype, columns: null };
    steps.push({ site: "pre_mlp_norm", ...own });
  }
  return steps;
}

function dtypeOf({ type }: Value): DType | null {
  return asTensor(type)?.dtype ?? null;
}
