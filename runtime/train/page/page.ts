import { lossesOf } from "../losses.ts";
import { isEvaluation, type Metrics } from "../metrics.ts";
import { escaped, plotSvg, type PlottedSeries } from "./plot.ts";
import { evaluationsOf, seriesOf, smoothed } from "./series.ts";

/** What a run's page tells. */
export interface PageContent {
  /** What is trained, on what: label and text. */
  readonly about: readonly (readonly [string, string])[];
  readonly metrics: readonly Metrics[];
  readonly steps: number;
  /** running, done, interrupted, or failed */
  readonly state: string;
  readonly isRunning: boolean;
  /** Why it failed. */
  readonly reason?: string | null;
  /** When the page is written: of a process that was killed nothing else tells that it runs no more. */
  readonly written: Date;
}

/** Milliseconds between two looks of the page at itself, and from which on it says that nothing is new. */
const [RELOAD, SILENT] = [4000, 600_000];

/** The loss, of training and of evaluations. */
export function lossPlot(
  { metrics, steps }: Pick<PageContent, "metrics" | "steps">,
  size: { readonly width?: number; readonly height?: number } = {},
): string {
  const loss = seriesOf(metrics, (one) => one.loss);
  const evaluations = evaluationsOf(metrics);
  const series: readonly PlottedSeries[] = [
    { name: "training", look: "train", points: loss },
    { name: "mean", look: "mean", points: smoothed(loss) },
    ...(evaluations.length === 0
      ? []
      : [{ name: "evaluation", look: "evaluation", points: evaluations } as const]),
  ];
  return plotSvg({ title: "loss", series, steps, mayBeLog: true, ...size });
}

/** A page without anything beside it: it shows the run so far, and looks again while the run goes on. */
export function runPage(content: PageContent): string {
  const { about, metrics, steps, state, isRunning, reason = null, written } = content;
  const step = metrics.findLast((one) => !isEvaluation(one))?.step ?? 0;
  const share = Math.round((1000 * step) / Math.max(1, steps)) / 10;
  const rows = [...about, ...numbersOf(metrics)].map(
    ([label, text]) => `<div><dt>${escaped(label)}</dt><dd>${escaped(text)}</dd></div>`,
  );
  const small = (title: string, series: PlottedSeries): string =>
    plotSvg({ title, series: [series], steps, width: 380, height: 200 });
  const plots = [
    small("learning rate", { name: "", look: "mean", points: seriesOf(metrics, (m) => m.learning_rate) }),
    small("norm of gradients", { name: "", look: "mean", points: seriesOf(metrics, (m) => m.grad_norm) }),
    small("tokens per second", {
      name: "",
      look: "mean",
      points: seriesOf(metrics, (m) => m.tokens_per_second),
    }),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${isRunning ? `${share}% ` : ""}training</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Training <span class="state">${escaped(state)}</span></h1>
<div class="bar" role="progressbar" aria-valuenow="${step}" aria-valuemax="${steps}"><i style="width:${share}%"></i></div>
<p>step ${grouped(step)} of ${grouped(steps)}, written <time datetime="${written.toISOString()}">${minuteOf(written)} UTC</time><span id="silent"></span></p>
${reason === null ? "" : `<p class="reason">${escaped(reason)}</p>\n`}<figure class="wide">${lossPlot(content)}</figure>
<figure class="narrow">${lossPlot(content, { width: 380, height: 240 })}</figure>
<div class="small">${plots.map((plot) => `<figure>${plot}</figure>`).join("")}</div>
<dl>${rows.join("")}</dl>
<script>${LOCAL_TIME}${isRunning ? scriptOf(written.getTime()) : ""}</script>
</body>
</html>
`;
}

/** `2026-01-31 09:05` */
function minuteOf(time: Date): string {
  return time.toISOString().slice(0, 16).replace("T", " ");
}

/** Says when the page was written by the clock of who looks at it. */
const LOCAL_TIME = `for (const time of document.querySelectorAll("time")) time.textContent = new Date(time.dateTime).toLocaleString();`;

function numbersOf(metrics: readonly Metrics[]): readonly (readonly [string, string])[] {
  const evaluation = metrics.findLast(isEvaluation);
  const { last } = lossesOf(metrics);
  return [
    ...(last === null ? [] : [["loss", last.toFixed(4)] as const]),
    ...(evaluation === undefined
      ? []
      : ([
          ["evaluation loss", `${evaluation.eval_loss.toFixed(4)} behind step ${grouped(evaluation.step)}`],
          ["perplexity", grouped(evaluation.perplexity, 2)],
        ] as const)),
  ];
}

/** A number with its thousands apart. */
export function grouped(value: number, digits = 0): string {
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Looks again; a page from a file may not read other files. */
function scriptOf(written: number): string {
  return `
setTimeout(() => location.reload(), ${RELOAD});
const silent = Date.now() - ${written};
if (silent > ${SILENT}) document.getElementById("silent").textContent = ", nothing new for " + Math.round(silent / 60000) + " minutes";
`;
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #d5dae0; --full: #1f5fa8; --paper: #ffffff; --bad: #a8201a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e7ec; --faint: #3a424c; --full: #7db4f0; --paper: #14181d; --bad: #ff8a80; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 820px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0 0 .6rem; } .state { font-weight: 400; opacity: .7; }
.bar { height: 8px; border-radius: 4px; background: var(--faint); overflow: hidden; } .bar i { display: block; height: 100%; background: var(--full); }
p { margin: .3rem 0 1rem; opacity: .8; } figure { margin: 0 0 1rem; } svg { display: block; width: 100%; height: auto; overflow: visible; }
.reason { color: var(--bad); opacity: 1; overflow-wrap: anywhere; } .narrow { display: none; }
@media (max-width: 560px) { .wide { display: none; } .narrow { display: block; } }
.small { display: grid; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); gap: 1rem; }
dl { display: grid; gap: .2rem; } dl div { display: grid; grid-template-columns: 10rem 1fr; } dt { opacity: .7; } dd { margin: 0; overflow-wrap: anywhere; }`;
