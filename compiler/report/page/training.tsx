import { scaleLinear, scaleLog } from "d3-scale";
import { line } from "d3-shape";
import type { Curve, TrainingCurves } from "../data.ts";
import { useShared } from "./context.ts";

const [WIDTH, HEIGHT] = [560, 220];
const margin = { top: 14, right: 12, bottom: 28, left: 58 };
/** From this ratio of the largest to the smallest number on, a logarithm shows more. */
const WIDE = 20;

/** Curves of the training run, where there is one. */
export function Training() {
  const { training } = useShared().model.data;
  if (training === null || training.plots.length === 0) return null;
  return (
    <section aria-labelledby="training">
      <h2 id="training">Training</h2>
      <p class="muted">
        The run <code>{training.run}</code>, {training.steps} steps.
      </p>
      <div class="plots">
        {training.plots.map(({ title, curves }) => (
          <Plot key={title} title={title} curves={curves} steps={training.steps} />
        ))}
      </div>
    </section>
  );
}

interface PlotProps {
  readonly title: string;
  readonly curves: TrainingCurves["plots"][number]["curves"];
  readonly steps: number;
}

function Plot({ title, curves, steps }: PlotProps) {
  const x = scaleLinear([0, Math.max(steps, 1)], [margin.left, WIDTH - margin.right]);
  const { y, ticks } = heights(title, curves);
  const path = line<readonly [number, number]>(
    ([step]) => x(step),
    ([, value]) => y(value),
  );
  return (
    <figure>
      <figcaption>
        {title}
        {curves.length < 2 ? null : curves.map(({ name }) => <Key key={name} name={name} />)}
      </figcaption>
      <svg class="plot" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={saidOf(title, curves)}>
        {ticks.map(({ value, text }) => (
          <g key={value}>
            <line class="grid" x1={margin.left} x2={WIDTH - margin.right} y1={y(value)} y2={y(value)} />
            <text class="tick" x={margin.left - 8} y={y(value) + 4} text-anchor="end">
              {text}
            </text>
          </g>
        ))}
        {x.ticks(6).map((step) => (
          <text key={step} class="tick" x={x(step)} y={HEIGHT - 8} text-anchor="middle">
            {step}
          </text>
        ))}
        {curves.map(({ name, points }) => (
          <g key={name} class={`curve ${name.replace(/ .*/, "")}`}>
            <path d={path(points) ?? ""} />
            {name === "evaluation"
              ? points.map(([step, value]) => <circle key={step} cx={x(step)} cy={y(value)} r={3.5} />)
              : null}
          </g>
        ))}
      </svg>
    </figure>
  );
}

function Key({ name }: { readonly name: string }) {
  return (
    <span class={`key ${name}`}>
      <svg viewBox="0 0 20 8" width="20" height="8" aria-hidden="true">
        <path d="M0 4 H20" />
      </svg>
      {name}
    </span>
  );
}

/** What a curve shows, for who does not see it. */
function saidOf(title: string, curves: readonly Curve[]): string {
  const texts = curves.map(({ name, points }) => {
    const [first, last] = [points[0], points.at(-1)];
    return `${name} from ${first?.[1] ?? "nothing"} to ${last?.[1] ?? "nothing"}`;
  });
  return `${title} by step: ${texts.join("; ")}`;
}

function heights(title: string, curves: readonly Curve[]) {
  const values = curves.flatMap(({ points }) => points.map(([, value]) => value));
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const domain = low === high ? [low - 0.5, high + 0.5] : [low, high];
  const range = [HEIGHT - margin.bottom, margin.top];
  const isLog = title === "loss" && low > 0 && high / low > WIDE;
  const scale = (isLog ? scaleLog(domain, range) : scaleLinear(domain, range)).nice();
  const text = scale.tickFormat(4, isLog ? "~g" : undefined);
  const ticks = scale.ticks(4).map((value) => ({ value, text: text(value) }));
  // A logarithm has lines between those that have a number.
  return { y: scale, ticks: ticks.filter((tick) => tick.text !== "") };
}
