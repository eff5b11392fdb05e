import type { TrainEvent } from "../../runtime/train/options.ts";
import { copyProgress } from "./copy-progress.ts";
import { printDiagnostics } from "./output.ts";
import { isQuiet, isShown } from "./progress.ts";
import { say } from "./streams.ts";
import { TerminalLine, type Terminal } from "./terminal-line.ts";
import { TrainLog } from "./train-log.ts";
import { LOADING, readingText, stepText, type EventOf } from "./train-texts.ts";

/** Cells of the bar. */
const BAR = 24;

/** What shows how far a run is. */
export interface TrainProgress {
  readonly update: (event: TrainEvent) => void;
  /** Takes away what is shown for a while; to be called also where training failed. */
  readonly end: () => void;
}

/**
 * Shows events on one line of a terminal that is written again and again. Where there is no such terminal they are lines
 * of a log: a run may take hours, and nobody would see how it goes. With --quiet nothing is shown.
 */
export function trainProgress(terminal: Terminal = process.stderr): TrainProgress {
  if (isShown(terminal)) return trainLine(terminal);
  const [idle, log] = [
    (): void => undefined,
    new TrainLog((line) => {
      writeLine(terminal, line);
    }),
  ];
  const update = (event: TrainEvent): void => {
    log.update(event);
  };
  return { update: isQuiet() ? idle : update, end: idle };
}

function writeLine(terminal: Terminal, line: string): void {
  if (terminal === process.stderr) say(`${line}\n`);
  else terminal.write(`${line}\n`);
}

function trainLine(terminal: Terminal): TrainProgress {
  const [line, copying] = [new TerminalLine(terminal), copyProgress(terminal)];
  // The last step, and what the last evaluation found.
  let [last, evaluated] = ["", ""];
  const update = (event: TrainEvent): void => {
    switch (event.kind) {
      case "reading":
        line.show(readingText(event));
        return;
      case "compiling":
        copying.update(event.file, event.done, event.total);
        return;
      case "loading":
        line.show(LOADING);
        return;
      case "begun":
        line.clear();
        printDiagnostics(event.diagnostics);
        return;
      case "step":
        line.show((last = `${barOf(event)}  ${stepText(event, evaluated)}`));
        return;
      case "evaluating":
        line.show(`${last === "" ? "" : `${last}  `}evaluating`);
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

/** `████░░░░` */
function barOf({ metrics: { step }, steps }: EventOf<"step">): string {
  const full = Math.round((BAR * step) / steps);
  return `${"█".repeat(full)}${"░".repeat(BAR - full)}`;
}
