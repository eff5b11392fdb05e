import { attribute } from "../../ir/attribute.ts";
import { END, type Builder } from "../../ir/builder.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { byAll, type Decomposition, type RuleRow, type Vjp } from "../rule.ts";
import { refused } from "../refused.ts";
import { like, mul } from "../terms.ts";

/** Causal convolutions of each channel alone, with a state: `(x [B, C, L], weight [C, 1, K], bias, state)` → `(y, state)`. */
export const causalConvRules: readonly RuleRow[] = [
  [
    "com.microsoft::CausalConvWithState",
    {
      by: byAll,
      refuses,
      write: (at) => {
        at.through(writtenOut(at));
      },
    },
  ],
];

/** Attributes that change what is computed, with the value at which they change nothing. */
const plain: Readonly<Record<string, number>> = {
  ...{ ndim: 1, channels_last: 0, state_window: 0, state_length: 0 },
  ...{ input_channels: 0, input_channel_offset: 0, state_update_capacity: 0 },
};

function refuses(node: Node): string | null {
  const other = Object.entries(plain).find(([name, value]) => (node.int(name) ?? value) !== value);
  return other === undefined ? null : `its attribute ${other[0]} is not ${other[1]}`;
}

function writtenOut({ node, shapes }: Vjp): Decomposition {
  const [channels, , kernel] = (shapes.of(node.input(1)) ?? []).map(({ constant }) => constant);
  if (typeof channels !== "number" || typeof kernel !== "number")
    throw refused(node, "the shape of its weight is not known");
  return (b, [x = null, weight = null, bias = null, state = null]) => {
    if (x === null || weight === null) return [];
    const dilation = node.int("dilation") ?? 1;
    const length = (kernel - 1) * dilation;
    const all = b.concat([state ?? silence(b, x, length), x], 2, "all");
    const conv = b.op("Conv", [all, weight, bias], "conv", {
      group: attribute.int(channels),
      kernel_shape: attribute.ints([kernel]),
      dilations: attribute.ints([dilation]),
    });
    const isSilu = ["silu", "swish"].includes(node.string("activation") ?? "none");
    const y = isSilu ? mul(b, conv, b.op("Sigmoid", [conv], "gate"), "y") : conv;
    return [y, b.slice(all, length === 0 ? END : -length, END, 2, "present")];
  };
}

/** Zeros in front of the first tokens. */
function silence(b: Builder, x: Value, length: number): Value {
  const sizes = b.concat([b.dims(x, 0, 2, "rows"), b.ints([length])], 0, "sizes");
  return b.op("Expand", [like(b, 0, x), sizes], "silence");
}
