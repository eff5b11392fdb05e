import type { Pass } from "../../compiler/pass/pass.ts";
import type { Handler } from "../../compiler/pass/visitor.ts";
import { blocks, type BlockVisitor } from "../../compiler/recognize/blocks.ts";
import type { Block, Layer, Seen } from "../../compiler/recognize/decoder.ts";
import { Outlining, type CallSpec } from "./_outlining.ts";
import { Roles } from "./_roles.ts";

/** What a pass does at a block that it outlines, given what names the block's values. */
type AtBlock = <B extends Block>(
  nameValues: (roles: Roles, block: B) => void,
) => Handler<readonly [block: B, layer: Layer]>;

/** What tells the outlining of one kind of block from that of another. */
export interface BlockSpec extends CallSpec {
  readonly name: string;
  readonly summary: string;
  readonly kind: Block["kind"];
  readonly functionName: string;
  /** Reported where some blocks were not understood. */
  readonly unmatched: "ATTENTION_UNMATCHED" | "MLP_UNMATCHED" | "MOE_UNMATCHED";
  readonly visitor: (outlined: AtBlock) => BlockVisitor;
}

/**
 * A pass that makes each block of a kind a call. A block is noted on entering it and cut out on leaving it: equal
 * blocks share a function, so all must be known before the first is cut out.
 */
export function outlinePass(spec: BlockSpec): Pass<object, BlockVisitor> {
  const { name, summary, kind, functionName, unmatched } = spec;
  return {
    name,
    summary,
    options: {},
    stats: ["blocks", "functions"],
    requires: [],
    walk: blocks,
    visitor: (context) => {
      const outlining = new Outlining(context, functionName);
      return {
        ...spec.visitor((nameValues) => ({
          enter: (block, layer) => {
            const roles = new Roles();
            nameValues(roles, block);
            outlining.block(block, layer, spec, roles.names);
          },
          exit: (block) => {
            outlining.leave(block, "blocks");
          },
        })),
        site: ({ node }) => {
          if (node.opType.replace(/_\d+$/, "") === functionName) outlining.isOutlined();
        },
        miss: (_, seen) => {
          if (kindOf(seen) === kind) outlining.miss(seen);
        },
        model: {
          exit: () => {
            outlining.warn(unmatched);
          },
        },
      };
    },
  };
}

/** What a block would have been, had it been understood. */
function kindOf({ block, isMoe }: Seen): Block["kind"] {
  return isMoe ? "moe" : block;
}
