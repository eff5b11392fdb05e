import { placeOf } from "../../../compiler/diagnostics/diagnostic.ts";
import { inputError } from "../../../compiler/diagnostics/error.ts";
import { attribute } from "../../../compiler/ir/attribute.ts";
import { atEnd, Builder, END } from "../../../compiler/ir/builder.ts";
import type { DType } from "../../../compiler/ir/dtype.ts";
import { FunctionBuilder } from "../../../compiler/ir/function-builder.ts";
import type { Graph } from "../../../compiler/ir/graph.ts";
import type { Func, Model } from "../../../compiler/ir/model.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { asTensor, tensorType, type Dim } from "../../../compiler/ir/type.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { LOOP_KEY, loopInputs, loopOutputs, type DecodeLoop } from "../../../compiler/ops/decode-loop.ts";
import { nodesIn, type NodeVisitor } from "../../../compiler/pass/node-walker.ts";
import type { Pass } from "../../../compiler/pass/pass.ts";
import { headSizesIn } from "../../../compiler/recognize/model/head-sizes.ts";
import { freeName } from "../../../compiler/sites/free-name.ts";
import { admitFunctions } from "../../_module.ts";
import { mixFunction } from "./_draws.ts";
import { samplingFunction } from "./_sampling.ts";
import { stepPorts, type LoopedCache, type StepPorts } from "./_ports.ts";
import { settingsOf, type Settings } from "./_settings.ts";
import { listOf, stepGraph, type Carried } from "./_step.ts";

/** From here on, comparisons, Min and Max take the types that are used. */
const OLDEST = 13;

/**
 * Makes a decoder a loop that generates: what it gives of a prompt are new tokens, and caches stay inside.
 *
 * Before: `logits, presents = decoder (ids, mask, positions, pasts)`.
 * After: `tokens, lengths = … Loop (steps) <body: decoder, choice of a token, stop ids> (ids, mask, positions, pasts)`.
 * The first step takes the prompt, each other one the token before; weights stay outside of the loop, and are there once.
 *
 * Refuses a graph without a cache, one whose cache is paged, and one with inputs that are none of a decoder's.
 */
export const decodeLoop: Pass<object, NodeVisitor> = {
  name: "decode-loop",
  summary: "make the graph a loop that samples tokens, with its caches inside",
  options: {},
  stats: ["caches"],
  requires: [],
  walk: nodesIn(),
  visitor: ({ model, rewriter, count }) => ({
    model: {
      exit: () => {
        if (model.meta.has(LOOP_KEY)) throw refused(model, "it is a loop already");
        const ports = stepPorts(model, headSizesIn(model));
        const why = "why" in ports ? ports.why : versionObstacle(model);
        if (why !== null || "why" in ports) throw refused(model, why ?? "");
        loop(model, ports, rewriter);
        count("caches", ports.caches.length);
      },
    },
  }),
};

function refused(model: Model, why: string): Error {
  return inputError("DECODE_LOOP_REFUSED", { ...placeOf(model), pass: "decode-loop" }, { why });
}

function versionObstacle({ opset }: Model): string | null {
  return opset < OLDEST ? `it has opset ${opset}, older than ${OLDEST}` : null;
}

function loop(model: Model, ports: StepPorts, rw: Rewriter): void {
  const { graph } = model;
  const decoder = [...graph.nodes];
  const old = stepInputs(ports);
  const functions = addFunctions(model, rw);
  const b = new Builder(rw, atEnd(graph));
  // Outputs of the decoder will be the step's.
  while (graph.outputs.length > 0) rw.removeOutput(graph, graph.outputs.length - 1);
  const outer = outerInputs(b, graph, ports);
  const rows = b.dim(outer.ids, 0, "rows"); // [1]
  const prompt = b.dim(outer.ids, 1, "prompt_length"); // [1]
  const settings = settingsOf(
    b,
    graph,
    rows,
    (steps) => withinRoom(b, steps, prompt, ports.room),
    functions.mix,
  );
  const first = firstOf(b, ports, outer, rows);
  const shown =
    ports.mask === null
      ? null
      : b.cast(
          b.op("Expand", [b.int(1), b.vector([rows, 1], "shown_sizes")], "shown_ones"),
          dtypeOf(ports.mask),
          "shown",
        );
  const body = stepGraph(
    { model, decoder, ports, around: { settings, shown, sampling: functions.sampling } },
    rw,
  );
  moveDeclared(graph, body, rw);
  removeInputs(graph, old, rw);
  const names = body.outputs.slice(1).map((_, i) => (i === 0 ? "all_ids" : `last_${i}`));
  const run = b.node("Loop", [settings.steps, null, ...listOf(first)], names, {
    body: attribute.graph(body),
  });
  resultsOf(b, graph, run.result, prompt, settings);
  const description: DecodeLoop = {
    hasMask: ports.mask !== null,
    hasPositions: ports.positions !== null,
    room: ports.room,
    vocabulary: ports.vocabulary,
  };
  rw.setMeta(model, LOOP_KEY, JSON.stringify(description));
}

/** What an imported graph said of its values follows them. */
function moveDeclared(from: Graph, to: Graph, rw: Rewriter): void {
  const values = from.declared?.values ?? [];
  const inStep = new Set(values.filter(({ value }) => value?.scope === to));
  rw.setDeclared(to, { outputs: [], values: [...inStep] });
  rw.setDeclared(from, { outputs: [], values: values.filter((one) => !inStep.has(one)) });
}

/** The functions of draws and of sampling. */
function addFunctions(model: Model, rw: Rewriter): { readonly mix: Func; readonly sampling: Func } {
  admitFunctions(model, rw);
  const { loc } = new Builder(rw, atEnd(model.graph));
  const add = (base: string, write: (b: FunctionBuilder, name: string) => Func): Func => {
    const name = freeName(model, base);
    const func = write(new FunctionBuilder(rw, loc, name, model.opset), name);
    rw.addFunction(model, func);
    return func;
  };
  return { mix: add("Mix", mixFunction), sampling: add("SampledTokens", samplingFunction) };
}

/** The decoder's inputs that a step has for itself. */
function stepInputs({ tokens, mask, positions, caches, derived }: StepPorts): readonly Value[] {
  const caught = [
    tokens,
    mask,
    positions,
    ...caches.map(({ past }) => past),
    ...derived.map(({ value }) => value),
  ];
  return caught.filter((value) => value !== null);
}

function removeInputs(graph: Graph, inputs: readonly Value[], rw: Rewriter): void {
  for (const value of inputs) {
    rw.removeInput(graph, value);
    if (graph.initializers.has(value)) rw.removeInitializer(value);
  }
}

interface Outer {
  readonly ids: Value;
  readonly mask: Value | null;
}

function outerInputs(b: Builder, graph: Graph, { tokens, mask }: StepPorts): Outer {
  const input = (name: string, of: Value): Value => {
    const [rows = null] = asTensor(of.type)?.shape ?? [];
    const shape: readonly Dim[] = [typeof rows === "number" ? rows : "batch", "prompt"];
    const value = b.rewriter.value(b.loc, name, tensorType(dtypeOf(of), shape));
    b.rewriter.addInput(graph, value);
    return value;
  };
  return {
    ids: input(loopInputs.ids, tokens),
    mask: mask === null ? null : input(loopInputs.mask, mask),
  };
}

function dtypeOf(value: Value): DType {
  return asTensor(value.type)?.dtype ?? "int64";
}

/** As many steps as buffers have room for. */
function withinRoom(b: Builder, steps: Value, prompt: Value, room: number | null): Value {
  if (room === null) return steps;
  const length = b.op("Squeeze", [prompt, b.ints([0])], "prompt_tokens");
  return b.op("Min", [steps, b.op("Sub", [b.int(room), length], "room")], "steps_in_room");
}

/** What the first step takes: the prompt, and caches without anything. */
function firstOf(b: Builder, ports: StepPorts, { ids, mask }: Outer, rows: Value): Carried {
  const prompt = b.cast(ids, "int64", "prompt_ids");
  const shown = mask === null ? null : b.cast(mask, "int64", "prompt_shown"); // [B, S]
  return {
    ids: shown === null ? prompt : withoutPadding(b, prompt, shown),
    tokens: b.op("Identity", [ids], "first_tokens"),
    mask: mask === null ? null : b.op("Identity", [mask], "first_mask"),
    positions:
      ports.positions === null
        ? null
        : b.cast(positionsOf(b, prompt, shown), dtypeOf(ports.positions), "first_positions"),
    caches: emptyCaches(b, ports.caches, rows),
    ended: b.cast(b.op("Expand", [b.int(0), rows], "none_ended"), "bool", "first_ended"),
  };
}

/** The row's last token where it is padded: a penalty for tokens that are there changes no other then. */
function withoutPadding(b: Builder, prompt: Value, shown: Value): Value {
  const isShown = b.cast(shown, "bool", "is_shown");
  return b.op("Where", [isShown, prompt, b.slice(prompt, -1, END, 1, "prompt_last")], "first_ids");
}

/** 0, 1, 2, … behind the padding: int64 `[B, S]`. */
function positionsOf(b: Builder, prompt: Value, shown: Value | null): Value {
  const places =
    shown === null
      ? b.op(
          "Expand",
          [b.range(b.dim(prompt, 1, "prompt_size"), "places"), b.op("Shape", [prompt], "prompt_sizes")],
          "places_of_rows",
        )
      : b.op("Sub", [b.op("CumSum", [shown, b.int(1)], "shown_so_far"), b.int(1)], "places_behind");
  return b.op("Max", [places, b.int(0)], "prompt_positions");
}

/** Values without anything, one for all caches that are alike. */
function emptyCaches(b: Builder, caches: readonly LoopedCache[], rows: Value): readonly Value[] {
  const made = new Map<string, Value>();
  return caches.map(({ dtype, sizes }) => {
    const key = `${dtype} ${sizes.map((size) => size ?? "rows").join()}`;
    const known = made.get(key);
    if (known !== undefined) return known;
    const name = `empty_cache${made.size === 0 ? "" : `_${made.size}`}`;
    const shape = b.vector(
      sizes.map((size) => size ?? rows),
      `${name}_sizes`,
    );
    const value = b.filled(shape, dtype, 0, name);
    made.set(key, value);
    return value;
  });
}

/** What is behind the prompt, and how many tokens of each row count. */
function resultsOf(b: Builder, graph: Graph, ids: Value, prompt: Value, { stops, most }: Settings): void {
  const rw = b.rewriter;
  const tokens = b.slice(ids, prompt, END, 1, loopOutputs.tokens); // [B, new]
  const each = b.unsqueeze(tokens, [2], "tokens_column");
  const matches = b.cast(b.op("Equal", [each, stops], "is_stop_token"), "int64", "stop_tokens"); // [B, new, stops]
  const isKept = b.op("Equal", [b.sum(matches, [2], "stops_found"), b.int(0)], "is_kept");
  const kept = b.sum(b.cast(isKept, "int64", "kept_tokens"), [1], "kept");
  const lengths = b.op("Min", [kept, most], loopOutputs.lengths);
  const [rows = null] = asTensor(graph.inputs.find(({ name }) => name === loopInputs.ids)?.type)?.shape ?? [];
  [tokens, lengths].forEach((value, i) => {
    rw.setType(value, tensorType("int64", i === 0 ? [rows, "new_tokens"] : [rows]));
    rw.setOutput(graph, i, value);
  });
}
