import type { Attribute } from "../../ir/attribute.ts";
import type { Node } from "../../ir/node.ts";
import type { KernelType, OpKernels } from "../kernels/kernels.ts";

/** A value of a model whose functions are written out, as onnxruntime writes them out before it places nodes. */
export interface FlatValue {
  readonly name: string | undefined;
  /** Null where it is not known. */
  readonly type: KernelType | null;
  /** Elements of an initializer or constant; null of what is computed or fed. */
  readonly size: number | null;
  /** Whether it is fed: an input of the graph it is in, without a default. */
  readonly isInput: boolean;
  readonly scope: Scope;
  readonly producer: FlatNode | null;
  /** Nodes of its own graph that read it, or hold a graph that does. */
  readonly readers: Set<FlatNode>;
}

/** A call of a function, in the call that it is in itself. */
export interface FlatCall {
  readonly name: string;
  readonly outer: FlatCall | null;
}

/** A node of such a model. */
export interface FlatNode {
  readonly node: Node;
  /** The node of the model's graph that it is or is inside of: through calls of functions and through graphs. */
  readonly outermost: Node;
  readonly op: string;
  /** The call that it is in; null in the model's graph. */
  readonly call: FlatCall | null;
  readonly scope: Scope;
  readonly facts: OpKernels | null;
  /** The version of its op; null where onnxruntime does not know the op. */
  readonly since: number | null;
  /** Null where one is left out. */
  readonly inputs: readonly (FlatValue | null)[];
  readonly outputs: readonly FlatValue[];
  /** What the graphs it holds read of the graph it is in. */
  readonly captures: Set<FlatValue>;
  readonly scopes: readonly Scope[];
  /** An attribute, where it is the caller's as the call gives it. */
  readonly attribute: (name: string) => Attribute | undefined;
  /** Types by type parameter. */
  readonly types: ReadonlyMap<string, KernelType | null>;
}

/** A graph of such a model: the main one, or one that a node holds. */
export interface Scope {
  readonly holder: FlatNode | null;
  readonly nodes: FlatNode[];
  readonly inputs: FlatValue[];
  readonly outputs: (FlatValue | null)[];
}
