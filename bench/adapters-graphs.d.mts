/** A parameter tensor of an adapter. */
export interface Leaf {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Version of the default domain. */
export const OPSET: number;

/** The function that a chain calls. */
export const FUNCTION: string;

/** A function: ScalarLM's adapter as its code has it, op for op. */
export function transcription(sizes: {
  readonly hidden: number;
  readonly heads: number;
  readonly rank: number;
}): string;

/** A graph of adapters one behind the other; their weights are float32 in `file`, one behind the other. */
export function chain(
  sizes: { readonly hidden: number; readonly leaves: readonly Leaf[]; readonly length: number },
  file: string,
): string;
