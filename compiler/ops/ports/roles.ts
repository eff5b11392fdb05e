import type { DType } from "../../ir/dtype.ts";

/** An input or output of a graph, as far as its meaning goes. */
export interface TypedPort {
  readonly name: string;
  /** Null for what is no tensor. */
  readonly dtype: DType | null;
  /** Sizes, names of symbols, "" or null where nothing is said. */
  readonly dims: readonly (number | string | null)[];
}

/**
 * What an input means to a decoder. Inputs carry no semantics in ONNX, so their names tell, which exporters keep
 * to a few conventions.
 */
export type Role =
  /** token ids: [batch, sequence], or [sequence] where tokens are flat */
  | "tokens"
  /** 1 where a token may be attended: [batch, total]; or an additive mask of rank 3 or 4 */
  | "mask"
  /** where each token stands in its text, along the last axis */
  | "positions"
  /** keys or values of the tokens before: [batch, heads, past, head size] */
  | "past"
  /** past + sequence, as a number or for each row */
  | "total"
  /** tokens before, for each row */
  | "pastLength"
  /** index of the last token, for each row: past + sequence - 1 */
  | "lastIndex"
  /** where each row begins among flat tokens, and where the last one ends */
  | "rowStarts"
  /** a paged cache: [blocks, block size, heads, head size] */
  | "pages"
  /** the blocks of a paged cache that hold each row: [batch, blocks] */
  | "blockTable"
  /** the place in a paged cache that each token goes to */
  | "slots"
  /** indices of the tokens whose logits are wanted: [logits], or [batch, logits] */
  | "logitRows"
  /** of how many of the last tokens logits are wanted, 0 for all */
  | "logitCount"
  /** bounds of a paged batch: the most new tokens of a row, the most tokens of a row, and a lower bound of those */
  | "bounds"
  /** whether the half of a merged graph that reads the cache runs */
  | "usesCache"
  | "other";

type Rule = readonly [Role, RegExp, (port: TypedPort) => boolean];

const floating: ReadonlySet<DType | null> = new Set(["float", "float16", "bfloat16", "double"]);
const whole = (port: TypedPort): boolean => /^u?int\d/.test(port.dtype ?? "");
const isFloating = (dtype: DType | null): boolean => floating.has(dtype);
const any = (): boolean => true;

/** The first rule that fits wins: "past_sequence_length" is no cache and "total_sequence_length" no mask. */
const rules: readonly Rule[] = [
  ["usesCache", /use_cache/, (port) => port.dtype === "bool"],
  ["lastIndex", /seqlens_k/, whole],
  ["rowStarts", /cu_seqlens|cumulative|query_start/, whole],
  ["blockTable", /block_?table/, whole],
  ["bounds", /attention_metadata/, (port) => whole(port) && port.dims[0] === 3],
  ["slots", /slot/, whole],
  ["logitCount", /^(num_)?logits_to_keep$/, whole],
  ["logitRows", /logits?_ind/, whole],
  ["pages", /past|cache/, (port) => isFloating(port.dtype) && isPaged(port)],
  ["total", /total_seq|total_len|nonpad_kv/, whole],
  ["pastLength", /past_(seq|len)|write_ind/, whole],
  ["mask", /mask/, any],
  ["positions", /position/, whole],
  ["tokens", /(^|[._/])(input_?ids|token_?ids|tokens)(_\d+)?$/, whole],
  // what a tracer calls the first input when nobody named it
  ["tokens", /^input(\.\d+)?$/, (port) => whole(port) && port.dims.length === 2],
  ["past", /past|cache/, (port) => isFloating(port.dtype) && port.dims.length >= 3],
];

/** A paged cache tells by the name of its first dim: other caches have their rows there. */
function isPaged({ dims: [first] }: TypedPort): boolean {
  return typeof first === "string" && /block|page/.test(first);
}

/** What an input means, from its name, element type and rank. */
export function roleOf(port: TypedPort): Role {
  const name = port.name.toLowerCase();
  return rules.find(([, pattern, fits]) => pattern.test(name) && fits(port))?.[0] ?? "other";
}
