import { IGNORED_LABEL } from "../../../compiler/ops/training.ts";
import type { HostTensor } from "../../session/tensor.ts";
import { idOf, isLearned } from "./marked.ts";
import type { Sequence } from "./sequences.ts";

/** Rows of one run: int64 `[batch, sequence]`, shorter rows filled up on the right. */
export interface Batch {
  readonly ids: HostTensor;
  readonly mask: HostTensor;
  readonly labels: HostTensor;
  /** Labels that count: the first token of a row has nothing that it could follow from. */
  readonly learned: number;
  /** Tokens, without what rows are filled up with. */
  readonly tokens: number;
  readonly examples: readonly number[];
}

/** @param padding the id that rows are filled up with: any will do, since nothing attends to it */
export function batchOf(sequences: readonly Sequence[], padding: number): Batch {
  const width = Math.max(...sequences.map(({ tokens }) => tokens.length));
  const dims = [sequences.length, width];
  const tensor = (fill: number): { dtype: "int64"; dims: number[]; data: BigInt64Array } => ({
    ...{ dtype: "int64", dims },
    data: new BigInt64Array(sequences.length * width).fill(BigInt(fill)),
  });
  const [ids, mask, labels] = [tensor(padding), tensor(0), tensor(IGNORED_LABEL)];
  let learned = 0;
  for (const [row, { tokens }] of sequences.entries())
    for (const [i, token] of tokens.entries()) {
      const at = row * width + i;
      const id = BigInt(idOf(token));
      ids.data[at] = id;
      mask.data[at] = 1n;
      if (!isLearned(token)) continue;
      labels.data[at] = id;
      if (i > 0) learned++;
    }
  return {
    ...{ ids, mask, labels, learned },
    tokens: sequences.reduce((n, { tokens }) => n + tokens.length, 0),
    examples: [...new Set(sequences.flatMap(({ examples }) => examples))],
  };
}
