import type { ModelHeader } from "../ir/model.ts";
import { ENTRY, FUNCTION, GRAPH, MODEL, NODE } from "./ids.ts";
import { readEntry } from "./import-tensor.ts";
import { bigint64, BYTES, checkEnd, endOf, int64, Ranges, skip, tagOf, VARINT, type Reader } from "./wire.ts";

/*
 * The messages that hold others, read into what the importer makes entities of. Messages inside are ranges of the
 * reader's buffer; `rest` is everything but what entities of their own stand for.
 */

/** The tags of the fields of a message, all of them of bytes but those named. */
function tagsOf<K extends string>(
  ids: Readonly<Record<K, number>>,
  ...varints: NoInfer<K>[]
): Record<K, number> {
  const entries = (Object.entries(ids) as [K, number][]).map(([name, id]) => [
    name,
    tagOf(id, varints.includes(name) ? VARINT : BYTES),
  ]);
  return Object.fromEntries(entries) as Record<K, number>;
}

const MODEL_TAGS = tagsOf(MODEL, "irVersion", "modelVersion");
const GRAPH_TAGS = tagsOf(GRAPH);
const NODE_TAGS = tagsOf(NODE);
const FUNCTION_TAGS = tagsOf(FUNCTION);

/** A range of the reader's buffer. */
export type Range = readonly [start: number, end: number];

type Pairs<T> = (readonly [string, T])[];

export interface ModelFields {
  irVersion: number;
  header: ModelHeader;
  readonly opsets: Pairs<number>;
  readonly meta: Pairs<string>;
  readonly graphs: Range[];
  readonly functions: Range[];
  readonly rest: Ranges;
}

export function readModel(r: Reader, end: number): ModelFields {
  const m: ModelFields = {
    ...{ irVersion: 0, header: {}, opsets: [], meta: [], graphs: [], functions: [] },
    rest: new Ranges(),
  };
  while (r.pos < end) {
    const start = r.pos;
    const tag = r.uint32();
    if (tag === MODEL_TAGS.graph) m.graphs.push(range(r));
    else if (tag === MODEL_TAGS.functions) m.functions.push(range(r));
    else {
      readModelField(r, tag, m);
      m.rest.add(start, r.pos);
    }
  }
  checkEnd(r, end);
  return m;
}

function readModelField(r: Reader, tag: number, m: ModelFields): void {
  switch (tag) {
    case MODEL_TAGS.irVersion:
      m.irVersion = int64(r);
      return;
    case MODEL_TAGS.opsetImport:
      m.opsets.push(opset(r, endOf(r)));
      return;
    case MODEL_TAGS.metadataProps:
      m.meta.push(entry(r));
      return;
    case MODEL_TAGS.producerName:
      m.header = { ...m.header, producerName: r.string() };
      return;
    case MODEL_TAGS.producerVersion:
      m.header = { ...m.header, producerVersion: r.string() };
      return;
    case MODEL_TAGS.domain:
      m.header = { ...m.header, domain: r.string() };
      return;
    case MODEL_TAGS.docString:
      m.header = { ...m.header, docString: r.string() };
      return;
    case MODEL_TAGS.modelVersion:
      m.header = { ...m.header, modelVersion: bigint64(r) };
      return;
    default:
      skip(r, tag);
  }
}

export interface GraphFields {
  name: string;
  readonly nodes: Range[];
  readonly initializers: Range[];
  readonly sparse: Range[];
  readonly inputs: Range[];
  readonly outputs: Range[];
  readonly valueInfo: Range[];
  readonly meta: Pairs<string>;
  readonly rest: Ranges;
}

function noGraph(): GraphFields {
  return {
    ...{
      name: "",
      nodes: [],
      initializers: [],
      sparse: [],
      inputs: [],
      outputs: [],
      valueInfo: [],
      meta: [],
    },
    rest: new Ranges(),
  };
}

/** @param g - what was read before, where a message stands in several parts */
export function readGraph(r: Reader, end: number, g = noGraph()): GraphFields {
  while (r.pos < end) {
    const start = r.pos;
    const tag = r.uint32();
    switch (tag) {
      case GRAPH_TAGS.node:
        g.nodes.push(range(r));
        continue;
      case GRAPH_TAGS.initializer:
        g.initializers.push(range(r));
        continue;
      case GRAPH_TAGS.input:
        g.inputs.push(range(r));
        continue;
      case GRAPH_TAGS.output:
        g.outputs.push(range(r));
        continue;
      case GRAPH_TAGS.valueInfo:
        g.valueInfo.push(range(r));
        continue;
      case GRAPH_TAGS.sparseInitializer:
        g.sparse.push(range(r));
        break;
      case GRAPH_TAGS.name:
        g.name = r.string();
        break;
      case GRAPH_TAGS.metadataProps:
        g.meta.push(entry(r));
        break;
      default:
        skip(r, tag);
    }
    g.rest.add(start, r.pos);
  }
  checkEnd(r, end);
  return g;
}

export interface NodeFields {
  readonly inputs: string[];
  readonly outputs: string[];
  readonly attributes: Range[];
  name: string;
  opType: string;
  domain: string;
  overload: string;
  hasMeta: boolean;
}

export function readNode(r: Reader, end: number): NodeFields {
  const n: NodeFields = {
    inputs: [],
    outputs: [],
    attributes: [],
    name: "",
    opType: "",
    domain: "",
    overload: "",
    hasMeta: false,
  };
  while (r.pos < end) {
    const tag = r.uint32();
    switch (tag) {
      case NODE_TAGS.input:
        n.inputs.push(r.string());
        break;
      case NODE_TAGS.output:
        n.outputs.push(r.string());
        break;
      case NODE_TAGS.name:
        n.name = r.string();
        break;
      case NODE_TAGS.opType:
        n.opType = r.string();
        break;
      case NODE_TAGS.attribute:
        n.attributes.push(range(r));
        break;
      case NODE_TAGS.domain:
        n.domain = r.string();
        break;
      case NODE_TAGS.overload:
        n.overload = r.string();
        break;
      case NODE_TAGS.metadataProps:
        n.hasMeta = true;
        r.pos = endOf(r);
        break;
      default:
        skip(r, tag);
    }
  }
  checkEnd(r, end);
  return n;
}

export interface FunctionFields {
  name: string;
  domain: string;
  overload: string;
  docString: string;
  readonly inputs: string[];
  readonly outputs: string[];
  readonly parameters: string[];
  readonly nodes: Range[];
  readonly defaults: Range[];
  readonly valueInfo: Range[];
  readonly opsets: Pairs<number>;
  readonly meta: Pairs<string>;
  readonly rest: Ranges;
}

export function readFunction(r: Reader, end: number): FunctionFields {
  const f: FunctionFields = {
    ...{ name: "", domain: "", overload: "", docString: "", inputs: [], outputs: [], parameters: [] },
    ...{ nodes: [], defaults: [], valueInfo: [], opsets: [], meta: [] },
    rest: new Ranges(),
  };
  while (r.pos < end) {
    const start = r.pos;
    const tag = r.uint32();
    if (!readPart(r, tag, f)) {
      readOwnField(r, tag, f);
      f.rest.add(start, r.pos);
    }
  }
  checkEnd(r, end);
  return f;
}

/** Fields that the function's body and parameters stand for. */
function readPart(r: Reader, tag: number, f: FunctionFields): boolean {
  switch (tag) {
    case FUNCTION_TAGS.input:
      f.inputs.push(r.string());
      return true;
    case FUNCTION_TAGS.output:
      f.outputs.push(r.string());
      return true;
    case FUNCTION_TAGS.attribute:
      f.parameters.push(r.string());
      return true;
    case FUNCTION_TAGS.node:
      f.nodes.push(range(r));
      return true;
    case FUNCTION_TAGS.attributeProto:
      f.defaults.push(range(r));
      return true;
    case FUNCTION_TAGS.valueInfo:
      f.valueInfo.push(range(r));
      return true;
    default:
      return false;
  }
}

function readOwnField(r: Reader, tag: number, f: FunctionFields): void {
  switch (tag) {
    case FUNCTION_TAGS.name:
      f.name = r.string();
      return;
    case FUNCTION_TAGS.domain:
      f.domain = r.string();
      return;
    case FUNCTION_TAGS.overload:
      f.overload = r.string();
      return;
    case FUNCTION_TAGS.docString:
      f.docString = r.string();
      return;
    case FUNCTION_TAGS.opsetImport:
      f.opsets.push(opset(r, endOf(r)));
      return;
    case FUNCTION_TAGS.metadataProps:
      f.meta.push(entry(r));
      return;
    default:
      skip(r, tag);
  }
}

function range(r: Reader): Range {
  const end = endOf(r);
  const start = r.pos;
  r.pos = end;
  return [start, end];
}

function entry(r: Reader): readonly [string, string] {
  const { key = "", value = "" } = readEntry(r, endOf(r));
  return [key, value];
}

/** An OperatorSetIdProto. */
function opset(r: Reader, end: number): readonly [string, number] {
  let [domain, version] = ["", 0];
  while (r.pos < end) {
    const tag = r.uint32();
    if (tag === tagOf(ENTRY.key, BYTES)) domain = r.string();
    else if (tag === tagOf(ENTRY.value, VARINT)) version = int64(r);
    else skip(r, tag);
  }
  checkEnd(r, end);
  return [domain, version];
}

/** Where a message's fields of one number are, those of bytes. */
export function contentsOf(r: Reader, start: number, end: number, id: number): Range[] {
  const found: Range[] = [];
  r.pos = start;
  while (r.pos < end) {
    const tag = r.uint32();
    if (tag === tagOf(id, BYTES)) found.push(range(r));
    else skip(r, tag);
  }
  checkEnd(r, end);
  return found;
}
