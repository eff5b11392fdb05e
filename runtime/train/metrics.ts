import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { inputError, TfcError } from "../../compiler/diagnostics/error.ts";
import { OutputFiles } from "../../compiler/onnx/output.ts";
import { isObject } from "../generate/json-file.ts";

/** What is written of a step. */
export interface StepMetrics {
  readonly step: number;
  /** Epochs that were read, with a fraction. */
  readonly epoch: number;
  /** null where no label counted, and nothing was run. */
  readonly loss: number | null;
  readonly learning_rate: number;
  /** Of all gradients together, before clipping; null where they overflowed. */
  readonly grad_norm: number | null;
  /** Labels that count. */
  readonly tokens: number;
  readonly tokens_per_second: number;
  /** In half precision. */
  readonly loss_scale?: number;
}

/** What is written of an evaluation. */
export interface EvalMetrics {
  /** Behind which step. */
  readonly step: number;
  readonly epoch: number;
  readonly eval_loss: number;
  readonly perplexity: number;
  readonly eval_tokens: number;
}

/** A line of metrics.jsonl. */
export type Metrics = StepMetrics | EvalMetrics;

export function isEvaluation(metrics: Metrics): metrics is EvalMetrics {
  return "eval_loss" in metrics;
}

const ROOM = "make room on the disk, or make the folder writable, and give the same command again";

/** The file that a run writes a line into for each step. */
export class MetricsFile {
  readonly #file: string;
  readonly #fd: number;
  readonly #all: Metrics[];

  private constructor(file: string, fd: number, all: Metrics[]) {
    [this.#file, this.#fd, this.#all] = [file, fd, all];
  }

  /**
   * Opens the file of a run that goes on behind a step: what was written of later ones, which no checkpoint knows of, is
   * taken out.
   *
   * @throws TfcError FILE_NOT_WRITABLE
   */
  static async behind(file: string, step: number): Promise<MetricsFile> {
    const kept = existsSync(file) ? metricsIn(readFileSync(file, "utf8"), step) : [];
    const files = new OutputFiles(file);
    try {
      const text = kept.map((one) => `${JSON.stringify(one)}\n`).join("");
      await files.stage(file, (temporary) => {
        const fd = openSync(temporary, "w");
        writeSync(fd, text);
        closeSync(fd);
      });
      await files.commit();
      return new MetricsFile(file, openSync(file, "a"), kept);
    } catch (error) {
      files.discard();
      if (!(error instanceof TfcError) || error.code !== "FILE_NOT_WRITABLE") throw error;
      const why = error.diagnostics[0]?.found ?? "";
      throw inputError("FILE_NOT_WRITABLE", { file }, { file, why, fix: ROOM }, error);
    }
  }

  get all(): readonly Metrics[] {
    return this.#all;
  }

  /** @throws TfcError FILE_NOT_WRITABLE */
  add(metrics: Metrics): void {
    this.#all.push(metrics);
    this.#writing(() => {
      writeSync(this.#fd, `${JSON.stringify(metrics)}\n`);
    });
  }

  /** Has the disk take what was written. @throws TfcError FILE_NOT_WRITABLE */
  flush(): void {
    this.#writing(() => {
      fsyncSync(this.#fd);
    });
  }

  close(): void {
    closeSync(this.#fd);
  }

  #writing(act: () => void): void {
    try {
      act();
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw inputError("FILE_NOT_WRITABLE", { file: this.#file }, { file: this.#file, why }, cause);
    }
  }
}

/**
 * Lines up to a step; one that a killed process has not written to its end is none, nor is an evaluation without a
 * number: JSON writes null for NaN.
 */
export function metricsIn(text: string, step: number): Metrics[] {
  return text.split("\n").flatMap((line): Metrics[] => {
    try {
      const value: unknown = JSON.parse(line);
      if (!isObject(value) || !(Number(value["step"]) <= step)) return [];
      const metrics = value as unknown as Metrics;
      if (!isEvaluation(metrics)) return [metrics];
      const { eval_loss: loss } = metrics;
      // A perplexity beyond all numbers is null there, too.
      return Number.isFinite(loss) ? [{ ...metrics, perplexity: Math.exp(loss) }] : [];
    } catch {
      return [];
    }
  });
}
