import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";

const [WIDTH, HEIGHT] = [760, 340];
const MARGIN = { top: 54, right: 16, bottom: 40, left: 50 };

const STYLE = `
  .growth { font: 12px system-ui, sans-serif; --ink: #1b1f24; --faint: #d5dae0; --grown: #1f5fa8; --second: #c2500a; --fourth: #3d7d3a; }
  @media (prefers-color-scheme: dark) { .growth { --ink: #e3e7ec; --faint: #3a424c; --grown: #7db4f0; --second: #f2994e; --fourth: #86c983; } }
  .growth text { fill: var(--ink); } .growth .title { font-weight: 600; } .growth .grid { stroke: var(--faint); } .growth .mark { stroke: var(--ink); stroke-dasharray: 3 3; opacity: .5; }
  .growth path, .growth .key { fill: none; stroke-width: 2; } .growth circle { stroke: none; }
  .growth .grown { stroke: var(--grown); } .growth .second { stroke: var(--second); } .growth .fourth { stroke: var(--fourth); }
  .growth circle.grown { fill: var(--grown); } .growth circle.second { fill: var(--second); } .growth circle.fourth { fill: var(--fourth); }`;

/** Draws losses over tokens, as an SVG; marks say where a model grew. */
export function growthPlot({ title, series, marks }) {
  const points = series.flatMap((one) => one.points);
  const [right, bottom] = [WIDTH - MARGIN.right, HEIGHT - MARGIN.bottom];
  const x = scaleLinear([0, Math.max(...points.map(({ tokens }) => tokens))], [MARGIN.left, right]);
  const losses = points.map(({ loss }) => loss);
  const y = scaleLinear([Math.min(...losses), Math.max(...losses)], [bottom, MARGIN.top]).nice();
  const path = line(
    ({ tokens }) => round(x(tokens)),
    ({ loss }) => round(y(loss)),
  );
  const grid = y.ticks(6).map((value) => {
    const height = round(y(value));
    return `<line class="grid" x1="${MARGIN.left}" x2="${right}" y1="${height}" y2="${height}"/><text x="${MARGIN.left - 8}" y="${height + 4}" text-anchor="end">${value.toFixed(1)}</text>`;
  });
  const below = x
    .ticks(8)
    .map(
      (value) =>
        `<text x="${round(x(value))}" y="${bottom + 18}" text-anchor="middle">${value === 0 ? 0 : `${value / 1000}k`}</text>`,
    );
  const grew = marks.map(({ tokens, text }) => {
    const left = round(x(tokens));
    return `<line class="mark" x1="${left}" x2="${left}" y1="${MARGIN.top}" y2="${bottom}"/><text x="${left + 5}" y="${MARGIN.top + 12}">${text}</text>`;
  });
  const lines = series.map(({ look, points: own }) => {
    const dots = own.map(
      ({ tokens, loss }) =>
        `<circle class="${look}" cx="${round(x(tokens))}" cy="${round(y(loss))}" r="2.5"/>`,
    );
    return `<path class="${look}" d="${path(own)}"/>${dots.join("")}`;
  });
  const keys = series.map(({ name, look }, i) => {
    const left = MARGIN.left + 190 * i;
    return `<line class="key ${look}" x1="${left}" x2="${left + 22}" y1="36" y2="36"/><text x="${left + 28}" y="40">${name}</text>`;
  });
  const parts = [
    `<text class="title" x="${MARGIN.left}" y="18">${title}</text>`,
    ...keys,
    ...grid,
    ...below,
    ...grew,
    ...lines,
  ];
  return `<svg class="growth" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}"><style>${STYLE}</style>${parts.join("")}</svg>\n`;
}

function round(value) {
  return Math.round(value * 10) / 10;
}
