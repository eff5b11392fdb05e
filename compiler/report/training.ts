import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { inputError } from "../diagnostics/error.ts";
import { metricsIn, type StepMetrics } from "../../runtime/train/metrics.ts";
import { evaluationsOf, seriesOf, smoothed, type Point } from "../../runtime/train/page/series.ts";
import type { Curve, TrainingCurves } from "./data.ts";

const METRICS = "metrics.jsonl";

/**
 * The curves of a training run: of the folder that is given, or of the one that a model lies in or beside. Null where
 * none is given and there is none.
 *
 * @throws TfcError FILE_NOT_FOUND
 */
export function trainingOf(model: string, run: string | undefined): TrainingCurves | null {
  const folder = path.dirname(path.resolve(model));
  const folders = run === undefined ? [folder, path.dirname(folder)] : [run];
  const found = folders.find((one) => existsSync(path.join(one, METRICS)));
  if (found === undefined && run !== undefined) {
    const file = path.join(run, METRICS);
    throw inputError("FILE_NOT_FOUND", { file }, { file, fix: "give the folder that `tfc train` wrote" });
  }
  return found === undefined ? null : curvesOf(found);
}

function curvesOf(run: string): TrainingCurves {
  const metrics = metricsIn(readFileSync(path.join(run, METRICS), "utf8"), Infinity);
  const loss = seriesOf(metrics, (one) => one.loss);
  const one = (title: string, value: (of: StepMetrics) => number | null | undefined): Plot => {
    return { title, curves: [curve(title, seriesOf(metrics, value))] };
  };
  const losses = [
    curve("training", loss),
    curve("mean", smoothed(loss)),
    curve("evaluation", evaluationsOf(metrics)),
  ];
  const plots: readonly Plot[] = [
    { title: "loss", curves: losses },
    one("learning rate", (of) => of.learning_rate),
    one("norm of gradients", (of) => of.grad_norm),
    one("tokens per second", (of) => of.tokens_per_second),
  ];
  return {
    run: path.basename(path.resolve(run)),
    steps: metrics.reduce((most, { step }) => Math.max(most, step), 0),
    plots: plots.map(withPoints).filter(({ curves }) => curves.length > 0),
  };
}

type Plot = TrainingCurves["plots"][number];

function withPoints({ title, curves }: Plot): Plot {
  return { title, curves: curves.filter(({ points }) => points.length > 0) };
}

function curve(name: string, points: readonly Point[]): Curve {
  return { name, points: points.map(({ step, value }) => [step, Number(value.toPrecision(6))] as const) };
}
