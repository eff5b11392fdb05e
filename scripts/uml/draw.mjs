/* Draws boxes and what is between them as an SVG that follows the reader's light or dark mode. */
import { Graph, layout } from "@dagrejs/dagre";

const [LINE, HEAD, PAD, CELL] = [16, 40, 10, 6.7];

const style = `
  text { font: 11px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #1f2328 }
  .name { font-weight: 600; font-size: 12px; text-anchor: middle }
  .kind { font-size: 10px; text-anchor: middle; fill: #59636e }
  .label { font-size: 10px; text-anchor: middle; fill: #59636e; paint-order: stroke; stroke: #fff; stroke-width: 4px }
  .box { stroke: #59636e; stroke-width: 1 }
  .passes { fill: #ddf4ff } .visitors { fill: #fff8c5 } .sites { fill: #dafbe1 } .adapters { fill: #fbefff } .decoder { fill: #f6f8fa }
  .edge { fill: none; stroke: #59636e; stroke-width: 1.1 }
  .dashed { stroke-dasharray: 5 4 }
  .open { fill: #fff; stroke: #59636e } .full { fill: #59636e }
  .page { fill: #fff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .kind { fill: #9198a1 } .label { fill: #9198a1; stroke: #1b1b1f }
    .box, .edge, .open { stroke: #9198a1 } .full { fill: #9198a1 } .open, .page { fill: #1b1b1f }
    .passes { fill: #0c2d4a } .visitors { fill: #3b2f0b } .sites { fill: #0f3320 } .adapters { fill: #341a4a } .decoder { fill: #262b33 }
  }`;

/**
 * The picture.
 *
 * @param boxes `{ name, group, stereotype, members }`
 * @param edges `{ from, to, kind, label? }`: extends, realizes, holds or uses
 */
export function drawn(boxes, edges) {
  const graph = new Graph({ multigraph: true });
  graph.setGraph({ rankdir: "LR", ranksep: 70, nodesep: 18, edgesep: 12, marginx: 16, marginy: 16 });
  for (const box of boxes) {
    const width = Math.max(box.name.length * 7.6, ...box.members.map((text) => text.length * CELL)) + 2 * PAD;
    graph.setNode(box.name, {
      ...box,
      width,
      height: HEAD + Math.max(1, box.members.length) * LINE + PAD / 2,
    });
  }
  edges.forEach(({ from, to, kind, label = "" }, i) => {
    graph.setEdge(
      from,
      to,
      { kind, label, width: label.length * 6, height: label === "" ? 0 : 14, labelpos: "c" },
      String(i),
    );
  });
  layout(graph);
  const { width, height } = graph.graph();
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${n(width)} ${n(height)}" role="img" aria-label="Classes of passes, visitors, sites and adapters">`,
    `<style>${style}\n</style>`,
    ...["full", "open"].map(
      (kind) =>
        `<marker id="${kind}" viewBox="0 0 12 12" refX="11" refY="6" markerWidth="12" markerHeight="12" markerUnits="userSpaceOnUse" orient="auto"><path class="${kind}" d="M0,1 L11,6 L0,11 Z"/></marker>`,
    ),
    `<rect class="page" width="${n(width)}" height="${n(height)}"/>`,
    ...graph.edges().map((one) => lineOf(graph.edge(one))),
    ...graph.nodes().map((name) => boxText(graph.node(name))),
    ...graph.edges().map((one) => labelOf(graph.edge(one))),
    "</svg>",
  ];
  return `${lines.filter((line) => line !== "").join("\n")}\n`;
}

function lineOf({ points, kind }) {
  const path = points.map(({ x, y }, i) => `${i === 0 ? "M" : "L"}${n(x)},${n(y)}`).join(" ");
  const isOpen = kind === "extends" || kind === "realizes";
  const dashed = kind === "realizes" || kind === "uses" ? " dashed" : "";
  return `<path class="edge${dashed}" d="${path}" marker-end="url(#${isOpen ? "open" : "full"})"/>`;
}

function labelOf({ label, x, y }) {
  return label === "" ? "" : `<text class="label" x="${n(x)}" y="${n(y + 3)}">${escaped(label)}</text>`;
}

function boxText({ name, group, stereotype, members, x, y, width, height }) {
  const [left, top] = [x - width / 2, y - height / 2];
  return [
    `<g><rect class="box ${group}" x="${n(left)}" y="${n(top)}" width="${n(width)}" height="${n(height)}" rx="4"/>`,
    `<text class="kind" x="${n(x)}" y="${n(top + 14)}">«${stereotype}»</text>`,
    `<text class="name" x="${n(x)}" y="${n(top + 29)}">${escaped(name)}</text>`,
    `<path class="edge" d="M${n(left)},${n(top + 36)} h${n(width)}"/>`,
    ...members.map(
      (text, i) => `<text x="${n(left + PAD)}" y="${n(top + HEAD + LINE * i + 12)}">${escaped(text)}</text>`,
    ),
    "</g>",
  ].join("\n");
}

function escaped(text) {
  return text.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);
}

function n(value) {
  return String(Math.round(value * 10) / 10);
}
