/** Times of one column, or why there are none. */
export type Cell =
  | {
      readonly base: readonly number[];
      readonly times: readonly number[];
      readonly difference: number | null;
    }
  | { readonly error: string };

export interface Result {
  readonly name: string;
  readonly by: "tool" | "tfc" | "floor";
  readonly precision: "fp32" | "int4";
  readonly twin?: string;
  readonly missing?: string;
  readonly cells?: Readonly<Record<string, Cell>>;
}

export function speed(cell: { readonly base: readonly number[]; readonly times: readonly number[] }): {
  readonly middle: number;
  readonly fastest: number;
};
export function speedTable(columns: readonly string[], results: readonly Result[]): string;
export function targetTable(
  size: "large" | "small" | "mixture",
  columns: readonly string[],
  results: readonly Result[],
): string;
