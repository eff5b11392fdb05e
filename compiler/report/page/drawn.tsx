import { curveMonotoneY, line } from "d3-shape";
import type { GraphProps } from "./graph.tsx";
import type { LaidBox, LaidEdge } from "./layout.ts";
import type { View } from "./view.ts";

const curve = line<{ readonly x: number; readonly y: number }>(
  (p) => p.x,
  (p) => p.y,
).curve(curveMonotoneY);

/** A value on its way from the node that makes it to one that reads it. */
export function EdgePath({ edge, isChosen }: { readonly edge: LaidEdge; readonly isChosen: boolean }) {
  const { name, type } = edge.value;
  return (
    <path class={isChosen ? "edge chosen" : "edge"} d={curve(edge.points) ?? ""} marker-end="url(#arrow)">
      <title>{`${name}${type === undefined ? "" : ` ${type}`}`}</title>
    </path>
  );
}

interface BoxProps extends Pick<GraphProps, "onChoose" | "onOpen"> {
  readonly box: LaidBox;
  readonly isChosen: boolean;
  readonly isMissed: boolean;
  readonly view: View;
}

/** A node, a module, or what comes from outside. */
export function NodeBox({ box, isChosen, isMissed, onChoose, onOpen, view }: BoxProps) {
  const { node, value, x, y, width, height, title, lines } = box;
  const top = y - height / 2;
  const onClick = (): void => {
    if (node === null || view.wasDragged()) return;
    // A module is opened; a node is looked at first.
    if (node.kind !== undefined) onOpen(node);
    else onChoose(node.index);
  };
  return (
    <g
      class={`${lookOf(box)}${isChosen ? " chosen" : ""}${isMissed ? " missed" : ""}`}
      onClick={onClick}
      onDblClick={() => {
        if (node !== null) onOpen(node);
      }}
    >
      <title>{node?.name ?? `${value?.name ?? ""} ${value?.type ?? ""}`}</title>
      <rect x={x - width / 2} y={top} width={width} height={height} rx={node === null ? height / 2 : 6} />
      <text x={x} y={top + 19} class="title">
        {title}
      </text>
      {lines.map(({ text, kind }, i) => (
        <text key={i} x={x} y={top + 35 + i * 15} class={kind}>
          {text}
        </text>
      ))}
    </g>
  );
}

function lookOf({ node }: LaidBox): string {
  if (node === null) return "port";
  const words = [
    "node",
    node.kind ?? "",
    node.slots === undefined ? "" : "opens",
    /Adapter(_\d+)?$/.test(node.op) ? "adapter" : "",
    node.quiet === true ? "quiet" : "",
  ];
  return words.filter((word) => word !== "").join(" ");
}
