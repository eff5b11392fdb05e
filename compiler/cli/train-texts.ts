import { basename } from "node:path";
import type { TrainEvent } from "../../runtime/train/options.ts";
import { wholeSeconds } from "./duration.ts";
import { grouped } from "./output.ts";

/** An event of one kind. */
export type EventOf<K extends TrainEvent["kind"]> = Extract<TrainEvent, { kind: K }>;

export const LOADING = "loading the graph";

/** `reading chat.jsonl  25%` */
export function readingText({ file, done, total }: EventOf<"reading">): string {
  return `reading ${basename(file)}  ${total === 0 ? 100 : Math.floor((100 * done) / total)}%`;
}

/** `120/1000  loss 2.134  eval 2.310  1,204 tokens/s  3 min left` */
export function stepText({ metrics, steps, secondsLeft }: EventOf<"step">, evaluated = ""): string {
  const { step, loss, tokens_per_second: speed } = metrics;
  const lossText = loss === null ? "" : `  loss ${loss.toFixed(3)}`;
  const left = step === steps ? "" : `  ${wholeSeconds(secondsLeft * 1000)} left`;
  return `${step}/${steps}${lossText}${evaluated}  ${grouped(speed)} tokens/s${left}`;
}
