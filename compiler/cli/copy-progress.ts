import { basename } from "node:path";
import type { Progress } from "../onnx/output.ts";
import { wholeSeconds } from "./duration.ts";
import { byteText } from "./output.ts";
import { cellsOf, shortened } from "./cells.ts";
import { TerminalLine, type Terminal } from "./terminal-line.ts";

/** Milliseconds before a line is shown, between two of them, and over which the speed is taken. */
const [PATIENCE, PAUSE, WINDOW] = [300, 100, 5000];
/** A file's name is shown in no less than this; where there is less room, without it. */
const NAME_CELLS = 8;

/** The line of a terminal that shows how far a large file has been copied. */
export interface CopyProgress {
  readonly update: Progress;
  /** Takes the line away; to be called also where copying failed. */
  readonly end: () => void;
}

/** @param now the clock, in milliseconds */
export function copyProgress(
  terminal: Terminal = process.stderr,
  now: () => number = () => performance.now(),
): CopyProgress {
  const line = new TerminalLine(terminal);
  let [file, start, shown] = ["", 0, 0];
  let samples: Sample[] = [];
  const end = (): void => {
    line.clear();
    file = "";
  };
  const update: Progress = (name, done, total) => {
    const time = now();
    if (name !== file) [file, start, shown, samples] = [name, time, 0, []];
    samples.push({ time, done });
    if (done >= total) end();
    else if (time - start >= PATIENCE && time - shown >= PAUSE) {
      samples = samples.filter((sample) => time - sample.time <= WINDOW);
      shown = time;
      line.show(progressText(name, done, total, rateOf(samples), line.room));
    }
  };
  return { update, end };
}

interface Sample {
  readonly time: number;
  readonly done: number;
}

/** Bytes per millisecond; null before there is anything to say. */
function rateOf(samples: readonly Sample[]): number | null {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.time <= first.time || last.done <= first.done)
    return null;
  return (last.done - first.done) / (last.time - first.time);
}

/** `model.onnx.data  1.2 GB of 4.0 GB  30%  820.0 MB/s  4 s left`, with less of it where there is less room. */
function progressText(file: string, done: number, total: number, rate: number | null, room: number): string {
  const parts = [`${byteText(done)} of ${byteText(total)}`, `${Math.floor((100 * done) / total)}%`];
  if (rate !== null)
    parts.push(`${byteText(Math.round(rate * 1000))}/s`, `${wholeSeconds((total - done) / rate)} left`);
  const text = parts.join("  ");
  const name = room - cellsOf(text) - 2;
  return name < NAME_CELLS ? text : `${shortened(basename(file), name)}  ${text}`;
}
