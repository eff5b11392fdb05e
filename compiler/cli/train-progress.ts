import { basename } from "node:path";
import type { TrainEvent } from "../../runtime/train/options.ts";
import { copyProgress } from "./copy-progress.ts";
import { wholeSeconds } from "./duration.ts";
import { TerminalLine, type Terminal } from "./terminal-line.ts";

/** Cells of the bar. */
const BAR = 24;

/** The line of a terminal that shows how far a run is. */
export interface TrainProgress {
  readonly update: (event: TrainEvent) => void;
  /** Takes the line away; to be called also where training failed. */
  readonly end: () => void;
}

/** Shows events on one line; where there is no terminal, nothing. */
export function trainProgress(terminal: Terminal = process.stderr): TrainProgress {
  const [line, copying] = [new TerminalLine(terminal), copyProgress(terminal)];
  let evaluated = "";
  let last = "";
  const show = (text: string): void => {
    line.show((last = text));
  };
  const update = (event: TrainEvent): void => {
    switch (event.kind) {
      case "reading":
        show(`reading ${basename(event.file)}  ${percent(event.done, event.total)}`);
        return;
      case "compiling":
        copying.update(event.file, event.done, event.total);
        return;
      case "loading":
        show("loading the graph");
        return;
      case "step":
        show(stepText(event, evaluated));
        return;
      case "evaluating":
        show(`${last === "" ? "" : `${last}  `}evaluating`);
        return;
      case "evaluation":
        evaluated = `  eval ${event.metrics.eval_loss.toFixed(3)}`;
        return;
      case "saved":
        return;
    }
  };
  const end = (): void => {
    copying.end();
    line.clear();
  };
  return { update, end };
}

/** `████░░░░  120/1000  loss 2.134  eval 2.310  1,204 tokens/s  3 min left` */
function stepText(
  { metrics, steps, secondsLeft }: Extract<TrainEvent, { kind: "step" }>,
  evaluated: string,
): string {
  const { step, loss, tokens_per_second: speed } = metrics;
  const full = Math.round((BAR * step) / steps);
  const bar = `${"█".repeat(full)}${"░".repeat(BAR - full)}`;
  const lossText = loss === null ? "" : `  loss ${loss.toFixed(3)}`;
  const left = step === steps ? "" : `  ${wholeSeconds(secondsLeft * 1000)} left`;
  return `${bar}  ${step}/${steps}${lossText}${evaluated}  ${speed} tokens/s${left}`;
}

function percent(done: number, total: number): string {
  return `${total === 0 ? 100 : Math.floor((100 * done) / total)}%`;
}
