import { useEffect, useMemo, useRef } from "preact/hooks";
import { EdgePath, NodeBox } from "./drawn.tsx";
import { pictureOf, type LaidEdge } from "./layout.ts";
import type { PartNode, Sheet } from "./model.ts";
import { useView, type View } from "./view.ts";

export interface GraphProps {
  readonly sheet: Sheet;
  readonly nodes: readonly PartNode[];
  /** Whether sizes that come from outside are shown. */
  readonly hasSizes: boolean;
  /** The node that is chosen. */
  readonly chosen: number | null;
  /** Names of nodes that were not understood. */
  readonly missed: ReadonlySet<string>;
  /** @param isStep whether it is one of several on the way */
  readonly onChoose: (node: number | null, isStep?: boolean) => void;
  readonly onOpen: (node: PartNode) => void;
  /** Goes out of what is drawn, to what it is in. */
  readonly onLeave: () => void;
}

/** The picture of a part: to look at, to pan and zoom, and to walk through by keys. */
export function Graph(props: GraphProps) {
  const { sheet, nodes, hasSizes, chosen, missed, onChoose, onOpen } = props;
  const picture = useMemo(() => pictureOf(sheet, nodes, hasSizes), [sheet, nodes, hasSizes]);
  const svg = useRef<SVGSVGElement>(null);
  const view = useView(picture, svg);
  useEffect(() => {
    const box = picture.boxes.find(({ node }) => node !== null && node.index === chosen);
    if (box !== undefined) view.show(box);
  }, [picture, chosen]);
  return (
    <div class="graph">
      <Tools view={view} />
      <svg
        ref={svg}
        viewBox={view.box}
        style={{ aspectRatio: String(view.ratio) }}
        tabindex={0}
        role="img"
        aria-label={`Graph of ${sheet.part.name}: ${nodes.length} nodes. The list below says the same. Keys: arrows move, plus and minus zoom, n and p choose the next and the previous node, Enter opens it, Escape lets it go and goes out.`}
        onKeyDown={(event) => onKey(event, props, view)}
        onPointerDown={view.grab}
        onPointerMove={view.drag}
        onPointerUp={view.drop}
        onWheel={view.wheel}
      >
        <Arrow />
        {picture.edges.map((edge) => (
          <EdgePath key={edge.key} edge={edge} isChosen={touches(edge, chosen)} />
        ))}
        {picture.boxes.map((box) => (
          <NodeBox
            key={box.key}
            box={box}
            isChosen={box.node !== null && box.node.index === chosen}
            isMissed={box.node !== null && missed.has(box.node.name)}
            {...{ onChoose, onOpen, view }}
          />
        ))}
      </svg>
    </div>
  );
}

function Tools({ view }: { readonly view: View }) {
  return (
    <div class="tools" role="toolbar" aria-label="Picture">
      <button type="button" onClick={() => view.zoom(1.25)} aria-label="Zoom in">
        +
      </button>
      <button type="button" onClick={() => view.zoom(0.8)} aria-label="Zoom out">
        −
      </button>
      <button type="button" onClick={view.fit}>
        Fit
      </button>
    </div>
  );
}

function onKey(
  event: KeyboardEvent,
  { nodes, chosen, onChoose, onOpen, onLeave }: GraphProps,
  view: View,
): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const at = nodes.findIndex(({ index }) => index === chosen);
  const step = (by: number): void => {
    const next = nodes[at < 0 ? 0 : Math.min(nodes.length - 1, Math.max(0, at + by))];
    if (next !== undefined) onChoose(next.index, true);
  };
  const node = nodes[at];
  if (event.key === "n") step(1);
  else if (event.key === "p") step(-1);
  else if (event.key === "Enter" && node !== undefined) onOpen(node);
  else if (event.key === "Escape" && node !== undefined) onChoose(null, true);
  else if (event.key === "Escape") onLeave();
  else if (!view.key(event.key)) return;
  event.preventDefault();
}

function touches({ value }: LaidEdge, chosen: number | null): boolean {
  return chosen !== null && (value.maker === chosen || value.readers.includes(chosen));
}

function Arrow() {
  return (
    <defs>
      <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
        <path d="M0 0.5 L7.5 4 L0 7.5 z" class="arrow" />
      </marker>
    </defs>
  );
}
