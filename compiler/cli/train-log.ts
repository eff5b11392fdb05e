import { basename } from "node:path";
import type { TrainEvent } from "../../runtime/train/options.ts";
import { byteText, printDiagnostics } from "./output.ts";
import { LOADING, readingText, stepText, type EventOf } from "./train-texts.ts";

/** Milliseconds between two lines of steps at least, and behind which there is another one. */
const [PAUSE, LONGEST] = [1000, 30_000];
/** Of all steps, those between two lines: fewer where they take long. */
const SHARE = 1 / 20;
/** Milliseconds that reading or writing a file lasts before it is worth a line, and between two of them. */
const PATIENCE = 5000;

/**
 * A run as lines of a log: the first step; behind it a line for each twentieth of the steps, or each half minute; and
 * evaluations and checkpoints.
 */
export class TrainLog {
  readonly #write: (line: string) => void;
  readonly #now: () => number;
  /** When something was last said of files, and of a checkpoint. */
  #fileAt: number;
  #savedAt = -Infinity;
  /** The last step, and the last one that was shown. */
  #step: EventOf<"step"> | null = null;
  #shown: { readonly step: number; readonly time: number } | null = null;

  /**
   * @param write takes a line, without its end
   * @param now the clock, in milliseconds
   */
  constructor(write: (line: string) => void, now: () => number = () => performance.now()) {
    [this.#write, this.#now, this.#fileAt] = [write, now, now()];
  }

  update(event: TrainEvent): void {
    switch (event.kind) {
      case "reading":
        this.#ofFile(readingText(event));
        return;
      case "compiling": {
        const { file, done, total } = event;
        this.#ofFile(`writing ${basename(file)}  ${byteText(done)} of ${byteText(total)}`);
        return;
      }
      case "loading":
        this.#write(LOADING);
        return;
      case "begun":
        printDiagnostics(event.diagnostics);
        return;
      case "step":
        this.#step = event;
        if (this.#isDue(event)) this.#showStep();
        return;
      case "evaluating":
        this.#showStep();
        return;
      case "evaluation":
        this.#write(evaluationText(event));
        return;
      case "saved":
        this.#showSaved(event);
        return;
    }
  }

  #ofFile(text: string): void {
    if (this.#now() - this.#fileAt < PATIENCE) return;
    this.#fileAt = this.#now();
    this.#write(text);
  }

  #isDue({ metrics, steps }: EventOf<"step">): boolean {
    if (this.#shown === null) return true;
    const time = this.#now() - this.#shown.time;
    return time >= LONGEST || (time >= PAUSE && metrics.step - this.#shown.step >= steps * SHARE);
  }

  #showStep(): void {
    if (this.#step === null) return;
    const { step } = this.#step.metrics;
    if (step === this.#shown?.step) return;
    this.#shown = { step, time: this.#now() };
    this.#write(`step ${stepText(this.#step)}`);
  }

  /** Checkpoints of steps that are made in no time do not fill a log; the last one is what a run goes on from. */
  #showSaved({ file, step }: EventOf<"saved">): void {
    if (this.#now() - this.#savedAt < PAUSE && step !== this.#step?.steps) return;
    this.#savedAt = this.#now();
    this.#showStep();
    this.#write(`saved ${file}`);
  }
}

/** `step 120/1000  evaluation 2.3103, perplexity 10.08, the best so far` */
function evaluationText({ metrics, steps, isBest }: EventOf<"evaluation">): string {
  const { step, eval_loss: loss, perplexity } = metrics;
  // The first one is the best of one.
  const best = isBest && step > 0 ? ", the best so far" : "";
  return `step ${step}/${steps}  evaluation ${loss.toFixed(4)}, perplexity ${perplexity.toFixed(2)}${best}`;
}
