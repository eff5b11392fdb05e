import { attribute } from "../../../compiler/ir/attribute.ts";
import { atEnd, Builder, END } from "../../../compiler/ir/builder.ts";
import type { DType } from "../../../compiler/ir/dtype.ts";
import type { Graph } from "../../../compiler/ir/graph.ts";
import type { Func, Model } from "../../../compiler/ir/model.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { asTensor, tensorType } from "../../../compiler/ir/type.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import type { Derived, StepPorts } from "./_ports.ts";
import { either } from "../_branches.ts";
import { likeliest, sample } from "./_sampling.ts";
import type { Settings } from "./_settings.ts";

/** What goes from step to step, in the order in which the loop has it. */
export interface Carried {
  /** int64 `[B, T]`: prompt and answer so far */
  readonly ids: Value;
  /** int64 `[B, S]`: what the step is fed: the prompt first, then one token */
  readonly tokens: Value;
  readonly mask: Value | null;
  readonly positions: Value | null;
  readonly caches: readonly Value[];
  /** bool `[B]` */
  readonly ended: Value;
}

/** All of them in one list. */
export function listOf({ ids, tokens, mask, positions, caches, ended }: Carried): readonly Value[] {
  return [ids, tokens, mask, positions, ...caches, ended].filter((value) => value !== null);
}

/** What steps read of the graph around them. */
export interface Around {
  readonly settings: Settings;
  /** ones `[B, 1]` of the mask's type */
  readonly shown: Value | null;
  /** The function that chooses where not all rows take the likeliest. */
  readonly sampling: Func;
}

/** What a step is made of. */
export interface Step {
  readonly model: Model;
  /** The nodes of the main graph that become the step's. */
  readonly decoder: readonly Node[];
  readonly ports: StepPorts;
  readonly around: Around;
}

/**
 * The graph of a step: makes the nodes of a decoder its own, and puts behind them how a token is chosen and what the
 * next step takes.
 */
export function stepGraph({ model, decoder, ports, around }: Step, rw: Rewriter): Graph {
  const { loc } = new Builder(rw, atEnd(model.graph));
  const body = rw.graph(loc, "step");
  const input = (name: string, dtype: DType, shape?: readonly number[]): Value => {
    const value = rw.value(loc, name, tensorType(dtype, shape));
    rw.addInput(body, value);
    return value;
  };
  const as = (value: Value | null, name: string): Value | null =>
    value === null ? null : input(name, asTensor(value.type)?.dtype ?? "int64");
  const step = input("step", "int64", []);
  input("goes_on", "bool", []);
  const carried: Carried = {
    ids: input("ids", "int64"),
    tokens: input("step_tokens", asTensor(ports.tokens.type)?.dtype ?? "int64"),
    mask: as(ports.mask, "step_mask"),
    positions: as(ports.positions, "step_positions"),
    caches: ports.caches.map(({ past, dtype }) => input(`step_${past.name ?? "past"}`, dtype)),
    ended: input("ended", "bool"),
  };
  const b = new Builder(rw, atEnd(body), { loc, opset: model.opset });
  // Nodes are moved behind a node that is there.
  const anchor = b.node("Identity", [step], ["anchor"]);
  feed(ports, carried, step, b);
  for (const node of decoder) if (body.last !== null) rw.moveAfter(node, body.last);
  const { next, goesOn } = nextOf(b, ports, carried, step, around);
  [goesOn, ...listOf(next)].forEach((value, i) => {
    rw.setOutput(body, i, value);
  });
  rw.remove(anchor);
  return body;
}

/** Gives the decoder what a step has for its inputs. */
function feed(ports: StepPorts, carried: Carried, step: Value, b: Builder): void {
  const put = (old: Value | null, value: Value | null): void => {
    if (old !== null && value !== null) b.rewriter.replaceUses(old, value, ({ kind }) => kind === "input");
  };
  put(ports.tokens, carried.tokens);
  put(ports.mask, carried.mask);
  put(ports.positions, carried.positions);
  ports.caches.forEach(({ past }, i) => {
    put(past, carried.caches[i] ?? null);
  });
  for (const { value, role } of ports.derived) put(value, derivedOf(b, value, role, carried, step));
}

/** What a step knows of its lengths, in the type and rank that an input has. */
function derivedOf(b: Builder, port: Value, role: Derived, { ids, tokens }: Carried, step: Value): Value {
  const type = asTensor(port.type);
  const [dtype, rank] = [type?.dtype ?? "int64", type?.shape?.length ?? 0];
  const name = port.name ?? role;
  const number = (): Value => {
    const [total, fresh] = [b.dim(ids, 1, `${name}_total`), b.dim(tokens, 1, `${name}_fresh`)]; // [1]
    if (role === "total") return total;
    if (role === "pastLength") return b.op("Sub", [total, fresh], `${name}_past`);
    if (role === "lastIndex") return b.op("Sub", [total, b.ints([1])], `${name}_last`);
    if (role === "logitRows") return b.op("Sub", [fresh, b.ints([1])], `${name}_last`);
    if (role === "usesCache")
      return b.unsqueeze(b.op("Greater", [step, b.int(0)], `${name}_later`), [0], `${name}_flag`);
    return b.ints([1]);
  };
  const cast = b.cast(number(), dtype, `${name}_number`); // [1]
  if (rank === 0) return b.op("Squeeze", [cast, b.ints([0])], `${name}_step`);
  const [first] = type?.shape ?? [];
  if (first === 1) return cast;
  const rows = b.dim(tokens, 0, `${name}_rows`);
  const sizes =
    rank === 1 ? rows : b.vector([rows, ...Array.from({ length: rank - 1 }, () => 1)], `${name}_sizes`);
  return b.op("Expand", [cast, sizes], `${name}_step`);
}

/** What the next step takes, and whether there is one. */
function nextOf(
  b: Builder,
  ports: StepPorts,
  { ids, tokens, mask, positions, ended }: Carried,
  step: Value,
  { settings, shown, sampling }: Around,
): { readonly next: Carried; readonly goesOn: Value } {
  const chances = { logits: lastLogits(b, ports.logits), ids, step };
  const choice = either(
    b,
    settings.isPlain,
    "choice",
    (inner) => likeliest(inner, chances),
    (inner) => sample(inner, sampling, chances, settings.sampling),
  );
  const before = b.op("Gather", [ids, b.int(-1)], "token_before", { axis: attribute.int(1) });
  const chosen = b.op("Where", [areNumbers(b, chances.logits), choice, b.int(-1)], "chosen_token");
  const token = b.op("Where", [ended, before, chosen], "token"); // [B]
  const column = b.unsqueeze(token, [1], "token_column"); // [B, 1]
  const isOver = hasEnded(b, column, step, ended, settings);
  const going = b.cast(b.op("Not", [isOver], "is_going"), "int32", "going");
  const most = b.op("ReduceMax", [going], "going_most", { keepdims: attribute.int(0) });
  const end = (value: Value, name: string): Value => b.slice(value, -1, END, 1, name);
  return {
    goesOn: b.cast(most, "bool", "goes_on_next"),
    next: {
      ids: b.concat([ids, column], 1, "ids_next"),
      tokens: castTo(b, column, tokens, "tokens_next"),
      mask: mask === null || shown === null ? null : b.concat([mask, shown], 1, "mask_next"),
      positions:
        positions === null
          ? null
          : b.op("Add", [end(positions, "position"), oneLike(b, positions)], "positions_next"),
      caches: ports.caches.map(({ present }) => present),
      ended: isOver,
    },
  };
}

/** Whether rows have ended with this token: by a stop id, or since they have as many as they may: bool `[B]`. */
function hasEnded(b: Builder, column: Value, step: Value, ended: Value, { stops, most }: Settings): Value {
  const matches = b.cast(b.op("Equal", [column, stops], "is_stop_id"), "int64", "stop_matches"); // [B, stops]
  const isStop = b.op("Greater", [b.sum(matches, [1], "stop_count"), b.int(0)], "is_stop"); // [B]
  const made = b.op("Add", [step, b.int(1)], "made");
  const isFull = b.op("GreaterOrEqual", [made, most], "is_full");
  return b.op("Or", [b.op("Or", [ended, isStop], "is_stopped"), isFull], "ended_next");
}

/** Whether none of a row's logits is NaN, which their sum would be, and nothing equals NaN: bool `[B]`. */
function areNumbers(b: Builder, logits: Value): Value {
  const sum = b.sum(logits, [1], "logits_sum");
  return b.op("Equal", [sum, sum], "are_numbers");
}

/** The logits of the last position, float `[B, V]`. */
function lastLogits(b: Builder, logits: Value): Value {
  const type = asTensor(logits.type);
  const last =
    type?.shape?.length === 2
      ? logits
      : b.op("Gather", [logits, b.int(-1)], "last_logits", { axis: attribute.int(1) });
  // ArgMax has no kernel of half precision on the CPU.
  return type?.dtype === "float" ? last : b.cast(last, "float", "last_logits_float");
}

function castTo(b: Builder, value: Value, like: Value, name: string): Value {
  const dtype = asTensor(like.type)?.dtype ?? "int64";
  return dtype === "int64" ? b.op("Identity", [value], name) : b.cast(value, dtype, name);
}

function oneLike(b: Builder, value: Value): Value {
  return b.constant(asTensor(value.type)?.dtype ?? "int64", [], [1], "one_more");
}
