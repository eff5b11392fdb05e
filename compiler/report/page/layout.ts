import { Graph, layout } from "@dagrejs/dagre";
import { titleOf, type PartNode, type PartValue, type Sheet } from "./model.ts";

/** A box of the picture: a node, or a value that comes from or goes outside. */
export interface LaidBox {
  readonly key: string;
  readonly node: PartNode | null;
  readonly value: PartValue | null;
  readonly title: string;
  /** Lines below the title. */
  readonly lines: readonly BoxLine[];
  /** Centre. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface BoxLine {
  readonly text: string;
  readonly kind: "role" | "weight" | "type" | "text";
}

export interface LaidEdge {
  readonly key: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
  readonly value: PartValue;
}

/** A picture of a part: boxes and edges with their places. */
export interface Picture {
  readonly boxes: readonly LaidBox[];
  readonly edges: readonly LaidEdge[];
  readonly width: number;
  readonly height: number;
}

/** Width of a character of the title and of the lines, in units of the picture. */
const [WIDE, NARROW] = [7.4, 6.3];
const [PADDING, TITLE, LINE] = [12, 18, 15];
/** Characters of a line of a node and of a port, and lines of weights, that a box shows. */
const [LONGEST, PORT, MOST_WEIGHTS] = [34, 24, 4];

/** Lays out the nodes of a part that are shown: data flows from the top down. */
export function pictureOf(whole: Sheet, shown: readonly PartNode[], hasSizes: boolean): Picture {
  const sheet = hasSizes ? whole : { ...whole, values: whole.values.map(withoutSize) };
  const graph = new Graph({ multigraph: true }).setGraph({
    ...{ rankdir: "TB", nodesep: 18, ranksep: 32, edgesep: 10, marginx: 12, marginy: 12 },
  });
  const boxes = [...shown.map((node) => nodeBox(node, sheet)), ...portBoxes(sheet, shown)];
  for (const { key, width, height } of boxes) graph.setNode(key, { width, height });
  const edges = edgesOf(sheet, shown);
  edges.forEach(({ from, to, key }) => graph.setEdge(from, to, {}, key));
  layout(graph);
  const { width = 0, height = 0 } = graph.graph() as { readonly width?: number; readonly height?: number };
  return {
    boxes: boxes.map((box) => ({ ...box, ...pointOf(graph.node(box.key) as Point) })),
    edges: edges.map(({ from, to, key, value }) => {
      const { points } = graph.edge(from, to, key) as { readonly points: readonly Point[] };
      return { key, value, points: points.map(pointOf) };
    }),
    ...{ width, height },
  };
}

/** A size that comes from outside is no port where arithmetic on shapes is not shown. */
function withoutSize(value: PartValue): PartValue {
  if (value.quiet !== true) return value;
  const { index, name, maker, readers } = value;
  return { index, name, maker, readers };
}

interface Point {
  readonly x: number;
  readonly y: number;
}

function pointOf({ x, y }: Point): Point {
  return { x: Math.round(x), y: Math.round(y) };
}

/** Characters of a port's name: its end tells more than its beginning. */
const NAMED = 20;

function ended(name: string): string {
  return name.length > NAMED ? `…${name.slice(1 - NAMED)}` : name;
}

/** Beside modules names are enough: what flows between them is not what is looked at. */
function hasTypes({ kind }: Sheet["part"]): boolean {
  return kind !== "layer" && kind !== "graph";
}

type Unplaced = Omit<LaidBox, "x" | "y">;

function nodeBox(node: PartNode, sheet: Sheet): Unplaced {
  return sized(`n${node.index}`, titleOf(node), linesOf(node, sheet), { node, value: null });
}

/** What it projects, the weights and constants that it reads, and the type of what it makes. */
function linesOf(node: PartNode, { values, part }: Sheet): readonly BoxLine[] {
  const read = node.in
    .flatMap((i) => values[i] ?? [])
    .filter(({ kind }) => kind === "weight" || kind === "constant" || kind === "fed");
  const weights = read.map((value): BoxLine => ({ text: weightText(value), kind: "weight" }));
  const more = weights.length - MOST_WEIGHTS;
  const first =
    more > 0
      ? [...weights.slice(0, MOST_WEIGHTS), { text: `… ${more} more`, kind: "weight" } as const]
      : weights;
  const type = hasTypes(part) ? values[node.out[0] ?? -1]?.type : undefined;
  const roles: BoxLine[] =
    node.roles === undefined ? [] : [{ text: shortened(node.roles.join(" ")), kind: "role" }];
  return [
    ...roles,
    ...first,
    ...(type === undefined ? [] : [{ text: shortened(type, PORT), kind: "type" } as const]),
  ];
}

function weightText({ name, type, text, kind }: PartValue): string {
  // The largest int64 is how exporters write "to the end".
  if (kind === "constant") return shortened((text ?? "").replaceAll("9223372036854775807", "end"));
  return shortened(`${lastWord(name)} ${(type ?? "").replace(/^float(?=\[)/, "")}`);
}

/** `q_proj.weight` of `model.layers.0.self_attn.q_proj.weight` */
function lastWord(name: string): string {
  const words = name.split(/[./]/);
  return words.slice(-2).join(".");
}

function shortened(text: string, most = LONGEST): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function sized(
  key: string,
  title: string,
  lines: readonly BoxLine[],
  of: Pick<LaidBox, "node" | "value">,
): Unplaced {
  const wide = Math.max(title.length * WIDE, ...lines.map(({ text }) => text.length * NARROW));
  return {
    ...{ key, title, lines, ...of },
    width: Math.max(56, Math.round(wide) + 2 * PADDING),
    height: TITLE + lines.length * LINE + PADDING,
  };
}

/**
 * Readers up to which a value is drawn with an edge to each. What more of them read, as all layers read a mask, stands
 * by its name at each: edges along the whole graph would hide it, and take seconds to lay out.
 */
const MOST_READERS = 8;

/** Where a value goes in a picture. */
interface Way {
  readonly value: PartValue;
  /** The node that makes it, where that is shown. */
  readonly maker: string | null;
  /** The nodes that read it. */
  readonly readers: readonly number[];
  /** Whether it stands by its name at each of them. */
  readonly isNamed: boolean;
  readonly leaves: boolean;
}

/** The values that come from shown nodes, or from outside, and go to shown nodes or outside. */
function waysOf({ values }: Sheet, shown: readonly PartNode[]): readonly Way[] {
  const known = new Set(shown.map(({ index }) => index));
  return values.flatMap((value) => {
    const maker = value.maker !== null && known.has(value.maker) ? `n${value.maker}` : null;
    if (maker === null && value.kind !== "input") return [];
    const readers = value.readers.filter((reader) => known.has(reader));
    const isNamed = readers.length > MOST_READERS;
    return [{ value, maker, readers, isNamed, leaves: maker !== null && value.leaves === true }];
  });
}

/** What comes from outside, or from nodes that are not shown, and what goes there; and values by their names. */
function portBoxes(sheet: Sheet, shown: readonly PartNode[]): readonly Unplaced[] {
  return waysOf(sheet, shown).flatMap(({ value, maker, readers, isNamed, leaves }) => {
    const type = hasTypes(sheet.part) ? value.type : undefined;
    const lines: BoxLine[] = type === undefined ? [] : [{ text: shortened(type, PORT), kind: "type" }];
    const port = (key: string): Unplaced => sized(key, ended(value.name), lines, { node: null, value });
    const { index } = value;
    const given = maker === null && readers.length > 0 && !isNamed;
    return [
      ...(given ? [port(`i${index}`)] : []),
      ...(isNamed ? readers.map((reader) => port(`i${index}-${reader}`)) : []),
      ...(leaves || (isNamed && maker !== null) ? [port(`o${index}`)] : []),
    ];
  });
}

interface Edge {
  readonly key: string;
  readonly from: string;
  readonly to: string;
  readonly value: PartValue;
}

function edgesOf(sheet: Sheet, shown: readonly PartNode[]): readonly Edge[] {
  return waysOf(sheet, shown).flatMap(({ value, maker, readers, isNamed, leaves }) => {
    const { index } = value;
    const inside = readers.map((reader) => ({
      ...{ key: `${index}-${reader}`, to: `n${reader}`, value },
      from: isNamed ? `i${index}-${reader}` : (maker ?? `i${index}`),
    }));
    const isOut = maker !== null && (leaves || isNamed);
    return [...inside, ...(isOut ? [{ key: `${index}-out`, from: maker, to: `o${index}`, value }] : [])];
  });
}
