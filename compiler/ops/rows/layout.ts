import type { Row } from "../op.ts";

const first = { carries: [0] } as const;

/** Ops that move, choose or re-type elements. */
export const layoutRows: readonly Row[] = [
  [
    "Identity",
    {
      ...first,
      rank: "first",
      traits: ["view", "reshape", "parameter", "same-numbers", "same-scalar"],
    },
  ],
  [
    "Cast",
    { ...first, rank: "first", traits: ["view", "retype", "parameter", "same-numbers", "same-scalar"] },
  ],
  // The second operand of CastLike is a type and never data.
  ["CastLike", { ...first, rank: "first", traits: ["view", "retype", "parameter", "same-scalar"] }],
  ["Reshape", { ...first, traits: ["view", "reshape", "parameter", "same-scalar"] }],
  ["Squeeze", { ...first, traits: ["view", "reshape", "same-scalar"] }],
  ["Unsqueeze", { ...first, traits: ["view", "reshape", "same-scalar"] }],
  ["Flatten", { ...first, traits: ["view", "reshape"] }],
  ["Dropout", { ...first, rank: "first", traits: ["view", "reshape"] }],
  ["Transpose", { ...first, rank: "first", traits: ["view", "parameter", "same-numbers"] }],
  ["QuantizeLinear", { ...first, rank: "first", traits: ["view", "quantize"] }],
  ["DequantizeLinear", { ...first, rank: "first", traits: ["view", "dequantize", "parameter"] }],
  ["DynamicQuantizeLinear", { ...first }],
  ["Shape", { traits: ["shape", "filled"] }],
  ["Size", { traits: ["shape", "filled"] }],
  ["ConstantOfShape", { traits: ["filled"] }],
  ["EyeLike", { traits: ["filled"] }],
  ["Range", { traits: ["filled"] }],
  ["Gather", { traits: ["choose", "rows", "repeat-heads"] }],
  ["GatherND", { traits: ["choose", "rows"] }],
  ["GatherElements", { traits: ["choose"] }],
  ["Slice", { ...first, rank: "first", traits: ["choose", "cut", "rows", "scores"] }],
  ["Split", { ...first, rank: "first", traits: ["choose", "cut"] }],
  ["Concat", { rank: "first", traits: ["choose", "join-past", "repeat-heads", "scores"] }],
  ["Expand", { ...first, traits: ["choose", "repeat-heads", "scores"] }],
  ["Tile", { ...first, rank: "first", traits: ["choose", "repeat-heads"] }],
  ["Pad", { ...first, rank: "first", traits: ["choose"] }],
  ["ScatterND", { carries: [0, 2], rank: "first", traits: ["join-past"] }],
  ["ScatterElements", { carries: [0, 2], rank: "first", traits: ["join-past"] }],
  ["TensorScatter", { carries: [0, 1], rank: "first", traits: ["join-past"] }],
  ["Trilu", { ...first, rank: "first" }],
];
