import { attribute } from "../../ir/attribute.ts";
import { END, type Builder } from "../../ir/builder.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { byAll, type Decomposition, type RuleRow, type Vjp } from "../rule.ts";
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

function writtenOut(at: Vjp): Decomposition {
  const { node } = at;
  const isSilu = ["silu", "swish"].includes(node.string("activation") ?? "none");
  return (b, [x = null, weight = null, bias = null, state = null]) => {
    if (x === null || weight === null) return [];
    const taps = b.op("Sub", [b.dim(weight, 2, "kernel"), b.ints([1])], "taps_before");
    const length = b.op("Mul", [taps, b.ints([node.int("dilation") ?? 1])], "state_length");
    const all = b.concat([state ?? silence(b, x, length), x], 2, "all");
    const conv = convolved(at, b, all, { x, weight, bias });
    const y = isSilu ? mul(b, conv, b.op("Sigmoid", [conv], "gate"), "y") : conv;
    const from = b.op("Sub", [b.dim(all, 2, "tokens"), length], "from");
    return [y, b.slice(all, from, END, 2, "present")];
  };
}

interface Operands {
  readonly x: Value;
  readonly weight: Value;
  readonly bias: Value | null;
}

/** A Conv where the shape of the weight is known; else all inputs of each result, weighed and summed. */
function convolved({ node, shapes }: Vjp, b: Builder, all: Value, { x, weight, bias }: Operands): Value {
  const [channels, , kernel] = (shapes.of(node.input(1)) ?? []).map(({ constant }) => constant);
  const dilation = node.int("dilation") ?? 1;
  if (typeof channels === "number" && typeof kernel === "number")
    return b.op("Conv", [all, weight, bias], "conv", {
      group: attribute.int(channels),
      kernel_shape: attribute.ints([kernel]),
      dilations: attribute.ints([dilation]),
    });
  const steps = b.op("Mul", [b.range(b.dim(weight, 2, "kernel"), "taps"), b.int(dilation)], "steps");
  const starts = b.unsqueeze(b.range(b.dim(x, 2, "length"), "starts"), [1], "starts_column");
  const windows = b.op("Gather", [all, b.op("Add", [starts, steps], "places")], "windows", {
    axis: attribute.int(2),
  });
  const sum = b.sum(mul(b, windows, weight, "weighed"), [-1], "conv");
  return bias === null ? sum : b.op("Add", [sum, b.unsqueeze(bias, [1], "bias_column")], "conv");
}

/** Zeros in front of the first tokens. */
function silence(b: Builder, x: Value, length: Value): Value {
  return b.op("Expand", [like(b, 0, x), b.concat([b.dims(x, 0, 2, "rows"), length], 0, "sizes")], "silence");
}
