import type { Attribute } from "./attribute.ts";
import type { Entity, Loc } from "./entity.ts";
import type { Graph } from "./graph.ts";
import type { Use, Value } from "./value.ts";

const noAttributes: ReadonlyMap<string, Attribute> = new Map();
const noGraphs: readonly Graph[] = [];

/** What a new node is made of. Outputs are given as name hints, or as a count of unnamed values. */
export interface NodeSpec {
  readonly op: string;
  readonly domain?: string;
  readonly overload?: string;
  readonly name?: string;
  readonly inputs: readonly (Value | null)[];
  readonly outputs?: readonly (string | undefined)[] | number;
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly loc: Loc;
  readonly source?: Uint8Array;
  /** Reads the metadata, when it is first asked for. */
  readonly meta?: () => Map<string, string>;
}

/** A node. Only the rewriter writes the fields. */
export class Node implements Entity {
  readonly loc: Loc;
  readonly source?: Uint8Array;
  readonly domain: string;
  readonly opType: string;
  readonly overload: string;
  readonly name: string | undefined;
  /** null where an optional input is left out. */
  readonly inputs: readonly (Value | null)[] = [];
  /** Outputs that the model leaves out are values without a name and without uses. */
  readonly outputs: readonly Value[] = [];
  readonly attributes: ReadonlyMap<string, Attribute> = noAttributes;
  /** The graphs its attributes hold. */
  readonly subgraphs: readonly Graph[] = noGraphs;
  readonly graph: Graph | null = null;
  /** Neighbours in the graph's order; null outside of a graph. */
  readonly next: Node | null = null;
  readonly prev: Node | null = null;
  /** The use behind each input: looked up here, an edit costs the same whether the value has one use or thousands. */
  readonly links: readonly (Use | undefined)[] = [];
  /** Reads the metadata that the node was imported with. */
  readonly importedMeta?: () => Map<string, string>;
  #meta: Map<string, string> | null = null;

  constructor(loc: Loc, domain: string, opType: string, overload = "", name?: string) {
    this.loc = loc;
    this.domain = domain;
    this.opType = opType;
    this.overload = overload;
    this.name = name;
  }

  /** `MatMul`, `com.microsoft::Gelu`: the key of visitors and op tables. `ai.onnx` is the default domain. */
  get op(): string {
    return this.domain === "" || this.domain === "ai.onnx" ? this.opType : `${this.domain}::${this.opType}`;
  }

  /** Read from what was imported when first asked for, since most nodes' never is. */
  get meta(): ReadonlyMap<string, string> {
    return (this.#meta ??= this.importedMeta?.() ?? new Map<string, string>());
  }

  /** Whether the metadata was asked for, which writing it does too; else it is as it was imported. */
  get isMetaRead(): boolean {
    return this.#meta !== null;
  }

  input(index: number): Value | null {
    return this.inputs[index] ?? null;
  }

  output(index: number): Value | null {
    return this.outputs[index] ?? null;
  }

  /** The first output. @throws Error for a node without outputs */
  get result(): Value {
    const [value] = this.outputs;
    if (value === undefined) throw new Error(`${this.op} "${this.name ?? ""}" has no output`);
    return value;
  }

  int(name: string): number | undefined {
    const attr = this.attributes.get(name);
    return attr?.kind === "int" ? Number(attr.value) : undefined;
  }

  float(name: string): number | undefined {
    const attr = this.attributes.get(name);
    return attr?.kind === "float" ? attr.value : undefined;
  }

  ints(name: string): readonly number[] | undefined {
    const attr = this.attributes.get(name);
    return attr?.kind === "ints" ? attr.value.map(Number) : undefined;
  }

  string(name: string): string | undefined {
    const attr = this.attributes.get(name);
    return attr?.kind === "string" ? new TextDecoder().decode(attr.value) : undefined;
  }
}
