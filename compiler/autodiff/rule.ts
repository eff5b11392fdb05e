import type { Builder } from "../ir/builder.ts";
import type { DType } from "../ir/dtype.ts";
import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import type { Shapes } from "../recognize/symbolic/shapes.ts";
import type { Place } from "./placed.ts";

/**
 * How gradients flow through one op: its vector-Jacobian product.
 *
 * A rule is written for any opset from 18 on, any float type, any rank and any size, zero included.
 */
export interface Rule {
  /**
   * Operands that a result's gradient flows to. Others (indices, shapes, conditions, what only says a type) have none, nor
   * have those of an op whose results are no floats.
   */
  readonly by: (node: Node) => readonly number[];
  /** Results that vary with these operands, counted from 0. All where it is not said. */
  readonly varies?: readonly number[];
  /** Why this node has no gradient though its op has one, as a clause; null where it has. */
  readonly refuses?: (node: Node) => string | null;
  /** Writes what flows to the operands. It is called where an operand wants a gradient and a result has one. */
  readonly write: (at: Vjp) => void;
}

/** A row of the table: an op's name as {@link Node.op} gives it, and its rule. */
export type RuleRow = readonly [op: string, rule: Rule];

/** One node on the way back. Operands and results are counted from 0. */
export interface Vjp {
  readonly node: Node;
  /** Writes in the backward part. */
  readonly b: Builder;
  /** Shapes of the values of the forward part, as far as they are understood. */
  readonly shapes: Shapes;
  /** The gradient of the first result, which has one where the node has a single result. */
  readonly dy: Value;
  /** The gradient of a result; null where nothing depends on it. */
  gradient(result: number): Value | null;
  /** What an operand was in the forward part, kept or computed again. */
  x(operand: number): Value;
  /** What a result was in the forward part, kept or computed again: for ops that say their gradient by it. */
  y(result?: number): Value;
  /** Whether an operand's gradient is asked for. Rules write nothing for the others. */
  wants(operand: number): boolean;
  /** Adds to an operand's gradient, which has the operand's shape and type. */
  give(operand: number, gradient: Value): void;
  /** Adds to a part of an operand's gradient what has the operand's shape but along one axis. */
  giveAt(operand: number, place: Place, gradient: Value): void;
  /** Adds to an operand's gradient what has the first result's shape: summed over the axes along which it was broadcast. */
  giveSummed(operand: number, gradient: Value): void;
  /**
   * Differentiates the node as what it is written out in other ops, which are computed again in the backward part: for ops
   * that are a formula by definition. The ops it is written in must have rules.
   */
  through(write: Decomposition): void;
  /** The element type of an operand; null where nothing tells it. */
  typeOf(operand: number): DType | null;
  /** What a result was in the forward part, where the backward part has it already; else null. */
  known(result: number): Value | null;
}

/** Writes what a node computes in other ops. @returns its results in order, null for one that is not written */
export type Decomposition = (b: Builder, operands: readonly (Value | null)[]) => readonly (Value | null)[];

/** All operands that are given. */
export function byAll(node: Node): readonly number[] {
  return node.inputs.flatMap((value, i) => (value === null ? [] : [i]));
}

/** The first operand. */
export function byFirst(): readonly number[] {
  return [0];
}

/** No operand: results count, compare, round or tell shapes. */
export const constantRule: Rule = { by: () => [], write: () => undefined };
