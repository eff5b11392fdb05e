import { useEffect, useMemo, useState } from "preact/hooks";
import type { Part } from "../data.ts";
import { goTo, useShared } from "./context.ts";
import { Graph } from "./graph.tsx";
import { AdapterLines, Crumbs, Facts, MissNote } from "./about.tsx";
import { missesIn } from "./inside.ts";
import type { Model, PartNode, Sheet } from "./model.ts";
import { NodeDetails, NodeList } from "./node.tsx";
import { byteText, grouped } from "./numbers.ts";

/** Nodes that are drawn at once. */
const MOST = 240;

const kindNames: Readonly<Record<Part["kind"], string>> = {
  graph: "graph",
  layer: "layer",
  embedding: "embedding",
  norm: "norm",
  attention: "attention",
  mlp: "MLP",
  experts: "experts",
  head: "head",
  adapter: "adapter",
  function: "function",
};

/** One part: its picture, its nodes as a list, and what is known of it. */
export function Viewer() {
  const { model, place } = useShared();
  const sheet = useMemo(() => model.sheet(place.part), [model, place.part]);
  const [cursor, setCursor] = useCursor(sheet);
  if (sheet === null) return null;
  const { part } = sheet;
  const chosen = cursor === null ? null : (sheet.nodes[cursor] ?? null);
  return (
    <section class="viewer" aria-labelledby="part" id="viewer">
      <Crumbs index={place.part} />
      <h3 id="part">
        <span class="name">{part.name === "" ? "main graph" : part.name}</span>
        <span class={`badge ${part.kind}`}>{kindNames[part.kind]}</span>
      </h3>
      <PartNumbers part={part} nodes={sheet.nodes.length} />
      {missesIn(model, place.part).map((module, i) => (
        <MissNote key={i} module={module} />
      ))}
      <AdapterLines index={place.part} />
      <Drawing sheet={sheet} chosen={chosen} onCursor={setCursor} />
      <div aria-live="polite">{chosen === null ? null : <NodeDetails sheet={sheet} node={chosen} />}</div>
      <NodeList sheet={sheet} chosen={cursor} />
      <Facts part={part} />
    </section>
  );
}

/**
 * The node that is chosen: the one in the address; or a module, whose address is that of its own picture: the one that
 * keys have come to, or that one has come out of.
 */
function useCursor(sheet: Sheet | null): readonly [number | null, (node: number | null) => void] {
  const { model, place, before } = useShared();
  const opens = (node: PartNode | undefined, part: number | null): boolean =>
    sheet !== null && node !== undefined && part !== null && model.opened(sheet, node) === part;
  const left = sheet?.nodes.find((node) => opens(node, before))?.index ?? null;
  const [cursor, setCursor] = useState(place.node ?? left);
  useEffect(() => {
    setCursor((old) => place.node ?? (hasOwnPicture(model, sheet, old) ? old : null));
  }, [place.node]);
  return [cursor, setCursor];
}

/** Whether a node is a module, whose address is that of its own picture. */
function hasOwnPicture(model: Model, sheet: Sheet | null, index: number | null): boolean {
  const node = sheet?.nodes[index ?? -1];
  return sheet !== null && node?.kind !== undefined && model.opened(sheet, node) !== null;
}

function PartNumbers({ part, nodes }: { readonly part: Part; readonly nodes: number }) {
  const { parameters, bytes, shared, kind } = part;
  const isWhole = kind === "graph" || kind === "layer";
  const texts = [
    `${grouped(nodes)} ${isWhole ? "modules and nodes" : nodes === 1 ? "node" : "nodes"}`,
    ...(kind === "function" && parameters === 0
      ? []
      : [`${grouped(parameters)} parameters`, byteText(bytes)]),
    ...(shared === 0 ? [] : [`${grouped(shared)} more shared with others`]),
  ];
  return <p class="numbers">{texts.join(" · ")}</p>;
}

interface DrawingProps {
  readonly sheet: Sheet;
  readonly chosen: PartNode | null;
  readonly onCursor: (node: number | null) => void;
}

/** The picture with what can be shown or left out. */
function Drawing({ sheet, chosen, onCursor }: DrawingProps) {
  const { model, place, finder } = useShared();
  const [isAll, setAll] = useState(false);
  const quiet = [...sheet.nodes, ...sheet.values].filter((one) => one.quiet === true).length;
  const hidden = chosen?.quiet === true ? chosen : null;
  const shown = useMemo(
    () => sheet.nodes.filter((node) => isAll || node.quiet !== true || node === hidden),
    [sheet, isAll, hidden],
  );
  const at = shown.length <= MOST || chosen === null ? 0 : shown.indexOf(chosen);
  const window = useMemo(() => windowOf(shown, at), [shown, at]);
  const choose = (node: number | null, isStep = false): void => {
    onCursor(node);
    const own = hasOwnPicture(model, sheet, node) ? null : node;
    goTo(finder.linkTo({ part: place.part, node: own }), isStep);
  };
  const open = (node: PartNode): void => {
    const opened = model.opened(sheet, node);
    const name = opened === null ? undefined : model.part(opened)?.name;
    if (name === undefined) choose(node.index);
    else goTo(name);
  };
  const leave = (): void => {
    const out = model.path(place.part).at(-2);
    if (out !== undefined) goTo(model.part(out)?.name ?? "");
  };
  const missed = new Set(missesIn(model, place.part).map(({ miss }) => miss?.node ?? ""));
  return (
    <>
      <div class="options">
        {quiet === 0 ? null : (
          <label>
            <input type="checkbox" checked={isAll} onChange={() => setAll(!isAll)} /> show arithmetic on
            shapes ({quiet})
          </label>
        )}
        {window.length === shown.length ? null : <Windows {...{ shown, window, choose }} />}
      </div>
      {window.length === 0 ? (
        <p class="empty">Nothing is computed here.</p>
      ) : (
        <Graph
          {...{ sheet, nodes: window, hasSizes: isAll, chosen: chosen?.index ?? null, missed }}
          onChoose={choose}
          onOpen={open}
          onLeave={leave}
        />
      )}
    </>
  );
}

/** The nodes around one, of more than can be drawn. */
function windowOf(shown: readonly PartNode[], at: number): readonly PartNode[] {
  if (shown.length <= MOST) return shown;
  const from = Math.min(shown.length - MOST, Math.max(0, at - MOST / 2));
  return shown.slice(from, from + MOST);
}

interface WindowsProps {
  readonly shown: readonly PartNode[];
  readonly window: readonly PartNode[];
  readonly choose: (node: number) => void;
}

/** Which nodes of a large graph are drawn, and the ways on. */
function Windows({ shown, window, choose }: WindowsProps) {
  const [first] = window;
  const from = first === undefined ? 0 : shown.indexOf(first);
  const go = (to: number): void => {
    const node = shown[Math.min(shown.length - 1, Math.max(0, to))];
    if (node !== undefined) choose(node.index);
  };
  const end = from + window.length;
  return (
    <span class="windows">
      nodes {from + 1}–{end} of {grouped(shown.length)}
      <button type="button" disabled={from === 0} onClick={() => go(from - MOST / 2)}>
        earlier
      </button>
      <button type="button" disabled={end >= shown.length} onClick={() => go(from + MOST * 1.5)}>
        later
      </button>
    </span>
  );
}
