import type { Attribute } from "./attribute.ts";
import type { Entity, Loc } from "./entity.ts";
import type { Graph } from "./graph.ts";
import type { Node } from "./node.ts";

/** A model-local function. Its body has inputs and outputs without types, and no initializers. */
export class Func implements Entity {
  readonly loc: Loc;
  readonly meta: ReadonlyMap<string, string> = new Map();
  readonly source?: Uint8Array;
  readonly domain: string;
  readonly name: string;
  readonly overload: string;
  /** Attributes a caller must give. */
  readonly parameters: readonly string[];
  /** Attributes a caller may give, with their defaults. */
  readonly defaults: ReadonlyMap<string, Attribute>;
  readonly docString: string;
  readonly opsets: ReadonlyMap<string, number>;
  readonly body: Graph;

  constructor(
    loc: Loc,
    id: { readonly domain: string; readonly name: string; readonly overload?: string },
    body: Graph,
    opsets: ReadonlyMap<string, number>,
    attributes: {
      readonly parameters?: readonly string[];
      readonly defaults?: ReadonlyMap<string, Attribute>;
      readonly docString?: string;
    } = {},
  ) {
    this.loc = loc;
    this.domain = id.domain;
    this.name = id.name;
    this.overload = id.overload ?? "";
    this.body = body;
    this.opsets = opsets;
    this.parameters = attributes.parameters ?? [];
    this.defaults = attributes.defaults ?? new Map<string, Attribute>();
    this.docString = attributes.docString ?? "";
  }

  get key(): string {
    return functionKey(this);
  }
}

/** The key of {@link Model.functions}: `domain::name` with `:overload` where there is one. */
export function functionKey(id: {
  readonly domain: string;
  readonly name: string;
  readonly overload?: string;
}): string {
  const domain = id.domain === "ai.onnx" ? "" : id.domain;
  return `${domain}::${id.name}${id.overload === undefined || id.overload === "" ? "" : `:${id.overload}`}`;
}

/** What a model says of itself beside its metadata. */
export interface ModelHeader {
  readonly producerName?: string;
  readonly producerVersion?: string;
  readonly domain?: string;
  readonly modelVersion?: bigint;
  readonly docString?: string;
}

/** A model: a main graph and its functions. Only the rewriter writes the fields. */
export class Model implements Entity {
  readonly loc: Loc;
  readonly meta: ReadonlyMap<string, string> = new Map();
  readonly source?: Uint8Array;
  readonly irVersion: number;
  readonly header: ModelHeader = {};
  readonly opsets: ReadonlyMap<string, number> = new Map();
  readonly graph: Graph;
  readonly functions: ReadonlyMap<string, Func> = new Map();

  constructor(loc: Loc, irVersion: number, graph: Graph) {
    this.loc = loc;
    this.irVersion = irVersion;
    this.graph = graph;
  }

  /** The function a node calls, or undefined when it is an operator. */
  callee(node: Node): Func | undefined {
    if (this.functions.size === 0) return undefined;
    return this.functions.get(
      functionKey({ domain: node.domain, name: node.opType, overload: node.overload }),
    );
  }

  /** The version of the default domain, or 0 when the model imports none. */
  get opset(): number {
    return this.opsets.get("") ?? this.opsets.get("ai.onnx") ?? 0;
  }
}
