import { isFloating, isInteger, type Port } from "./tensor.ts";

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
  /** past + sequence, as a number */
  | "total"
  /** tokens before, for each row */
  | "pastLength"
  /** index of the last token, for each row: past + sequence - 1 */
  | "lastIndex"
  /** where each row begins among flat tokens, and where the last one ends */
  | "rowStarts"
  /** whether the half of a merged graph that reads the cache runs */
  | "usesCache"
  | "other";

type Rule = readonly [Role, RegExp, (port: Port) => boolean];

const whole = (port: Port): boolean => isInteger(port.dtype);
const any = (): boolean => true;

/** The first rule that fits wins: "past_sequence_length" is no cache and "total_sequence_length" no mask. */
const rules: readonly Rule[] = [
  ["usesCache", /use_cache/, (port) => port.dtype === "bool"],
  ["lastIndex", /seqlens_k/, whole],
  ["rowStarts", /cu_seqlens|cumulative|query_start/, whole],
  ["total", /total_seq|total_len/, whole],
  ["pastLength", /past_(seq|len)/, whole],
  ["mask", /mask/, any],
  ["positions", /position/, whole],
  ["tokens", /(^|[._/])(input_?ids|token_?ids|tokens)(_\d+)?$/, whole],
  ["past", /past|cache/, (port) => isFloating(port.dtype) && port.dims.length >= 3],
];

/** What an input means, from its name, element type and rank. */
export function roleOf(port: Port): Role {
  const name = port.name.toLowerCase();
  return rules.find(([, pattern, fits]) => pattern.test(name) && fits(port))?.[0] ?? "other";
}
