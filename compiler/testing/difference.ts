import { partsOf, type NodeLine } from "./lines.ts";

/** Differences that a message lists. */
const MOST = 20;

/**
 * Says in words what a graph has become, layer by layer: `layer 3 self_attn: MatMul + Add became Gemm`.
 *
 * @param golden text of the golden file
 * @param found text of the graph
 */
export function differenceText(golden: string, found: string): string {
  const [before, after] = [partsOf(golden), partsOf(found)];
  const lines = [
    ...headerLines(before.header, after.header),
    ...portLines("input", before.inputs, after.inputs),
    ...portLines("output", before.outputs, after.outputs),
    ...collapsed(placeLines(before.nodes, after.nodes)),
  ];
  if (lines.length === 0) lines.push(firstLine(golden, found));
  const more = lines.length - MOST;
  return [...lines.slice(0, MOST), ...(more > 0 ? [`… and ${more} more`] : [])].join("\n");
}

function headerLines(before: string, after: string): readonly string[] {
  const opsets = (header: string): string => /opset_import: (\[.*\])/.exec(header)?.[1] ?? header;
  return opsets(before) === opsets(after) ? [] : [`opsets: ${opsets(before)} became ${opsets(after)}`];
}

function portLines(what: string, before: readonly string[], after: readonly string[]): readonly string[] {
  const gone = before.filter((one) => !after.includes(one));
  const come = after.filter((one) => !before.includes(one));
  const lines = hunkLines(gone, come, (one) => one).map((text) => `${what}s: ${text}`);
  const isMoved = lines.length === 0 && before.join("\n") !== after.join("\n");
  return isMoved ? [`${what}s: their order is another`] : lines;
}

interface Said {
  readonly place: string;
  readonly text: string;
}

function placeLines(before: readonly NodeLine[], after: readonly NodeLine[]): readonly Said[] {
  const places = [...new Set([...before, ...after].map(({ place }) => place))];
  return places.sort(byLayer).flatMap((place) => {
    const [old, now] = [before, after].map((nodes) => nodes.filter((node) => node.place === place));
    return old === undefined || now === undefined ? [] : changesIn(old, now).map((text) => ({ place, text }));
  });
}

/** What became of the nodes of one place. */
function changesIn(before: readonly NodeLine[], after: readonly NodeLine[]): readonly string[] {
  const hunks = hunksOf(before, after, (node) => `${node.op} ${node.details}`);
  return hunks.flatMap(({ gone, come }) =>
    gone.length === come.length && gone.every(({ op }, i) => op === come[i]?.op)
      ? gone.map((node, i) => `${node.op}: ${detailText(node.details, come[i]?.details ?? "")}`)
      : hunkLines(
          gone.map(({ op }) => op),
          come.map(({ op }) => op),
          (op) => op,
          " + ",
        ),
  );
}

/** The part of attributes and operands that changed. */
function detailText(before: string, after: string): string {
  const parts = (text: string): readonly string[] => text.split(/, (?![^<[{(]*[\]}])/);
  const [old, now] = [parts(before), parts(after)];
  const at = old.findIndex((part, i) => part !== now[i]);
  if (old.length !== now.length || at < 0) return `${before} became ${after}`;
  return `${old[at] ?? ""} became ${now[at] ?? ""}`.replaceAll(/[()]/g, "");
}

function hunkLines(
  gone: readonly string[],
  come: readonly string[],
  show: (one: string) => string,
  between = ", ",
): readonly string[] {
  const [old, now] = [gone.map(show).join(between), come.map(show).join(between)];
  if (gone.length === 0 && come.length === 0) return [];
  if (gone.length === 0) return [`${now} ${come.length === 1 ? "is" : "are"} new`];
  if (come.length === 0) return [`${old} ${gone.length === 1 ? "is" : "are"} gone`];
  return [`${old} became ${now}`];
}

interface Hunk<T> {
  readonly gone: readonly T[];
  readonly come: readonly T[];
}

/** Runs in which two lists differ, by a longest common subsequence. */
function hunksOf<T>(before: readonly T[], after: readonly T[], key: (one: T) => string): readonly Hunk<T>[] {
  const [a, b] = [before.map(key), after.map(key)];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end])
    end++;
  const [n, m] = [a.length - start - end, b.length - start - end];
  // What is far apart is one change: a table of it would not fit memory.
  if (n * m > 4_000_000)
    return [{ gone: before.slice(start, start + n), come: after.slice(start, start + m) }];
  const lengths = Array.from({ length: n + 1 }, () => new Uint32Array(m + 1));
  const at = (i: number, j: number): number => lengths[i]?.[j] ?? 0;
  for (let i = n - 1; i >= 0; i--)
    for (let j = m - 1; j >= 0; j--) {
      const row = lengths[i];
      if (row !== undefined)
        row[j] = a[start + i] === b[start + j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  const hunks: { gone: T[]; come: T[] }[] = [];
  let [i, j, isOpen] = [0, 0, false];
  while (i < n || j < m) {
    if (i < n && j < m && a[start + i] === b[start + j]) {
      [i, j, isOpen] = [i + 1, j + 1, false];
      continue;
    }
    if (!isOpen) hunks.push({ gone: [], come: [] });
    isOpen = true;
    const hunk = hunks.at(-1);
    if (j >= m || (i < n && at(i + 1, j) >= at(i, j + 1)))
      hunk?.gone.push(...before.slice(start + i, start + ++i));
    else hunk?.come.push(...after.slice(start + j, start + ++j));
  }
  return hunks;
}

/** Layers that changed alike share a line: `layers 0 … 5 self_attn: …`. */
function collapsed(said: readonly Said[]): readonly string[] {
  const groups = new Map<
    string,
    { readonly layers: number[]; readonly rest: string; readonly text: string }
  >();
  for (const { place, text } of said) {
    const [, layer, rest = place] = /^layer (\d+)(.*)$/.exec(place) ?? [];
    const id = JSON.stringify([layer === undefined, rest, text]);
    const group = groups.get(id) ?? { layers: [], rest, text };
    groups.set(id, group);
    if (layer !== undefined && group.layers.at(-1) !== Number(layer)) group.layers.push(Number(layer));
  }
  return [...groups.values()].map(({ layers, rest, text }) => `${layersText(layers)}${rest}: ${text}`);
}

function layersText(layers: readonly number[]): string {
  const [first, last] = [layers[0], layers.at(-1)];
  if (first === undefined || last === undefined) return "";
  if (layers.length === 1) return `layer ${first}`;
  return last - first === layers.length - 1 ? `layers ${first} … ${last}` : `layers ${layers.join(", ")}`;
}

function byLayer(a: string, b: string): number {
  const number = (place: string): number => Number(/^layer (\d+)/.exec(place)?.[1] ?? Infinity);
  const [x, y] = [number(a), number(b)];
  return x === y ? 0 : x - y;
}

/** Where the ops are those that were, and other values go into them. */
function firstLine(golden: string, found: string): string {
  const [before, after] = [partsOf(golden), partsOf(found)];
  const at = after.nodes.findIndex((node, i) => node.text !== before.nodes[i]?.text);
  const [node, old] = [after.nodes[at], before.nodes[at]];
  if (node === undefined) return "the graphs hold the same nodes, wired otherwise";
  return `${node.place}: ${node.op} reads other values:\n  was ${old?.text ?? "nothing"}\n  is  ${node.text}`;
}
