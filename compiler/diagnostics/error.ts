import type { Code, Params } from "./codes.ts";
import { diagnostic, diagnosticText, type Diagnostic, type Place } from "./diagnostic.ts";

/**
 * The one error that this package throws. Kinds: `input` (a model, an option or a file is wrong), `pass` (a pass could
 * not do what was asked), `internal` (a bug of tfc).
 *
 * @example
 * ```ts
 * try {
 *   await compile({ input: "model.onnx" });
 * } catch (error) {
 *   if (!(error instanceof TfcError)) throw error;
 *   for (const { code, what, wanted, found, fix } of error.diagnostics) console.error(code, what, wanted, found, fix);
 * }
 * ```
 */
export class TfcError extends Error {
  readonly kind: "input" | "pass" | "internal";
  /** What is wrong; at least one. */
  readonly diagnostics: readonly Diagnostic[];
  #warnings: readonly Diagnostic[] = [];

  /** @internal */
  constructor(kind: TfcError["kind"], diagnostics: readonly Diagnostic[], options: { cause?: unknown } = {}) {
    super(diagnostics.map((d) => diagnosticText(d)).join("\n"), options);
    this.name = "TfcError";
    this.kind = kind;
    this.diagnostics = diagnostics;
  }

  /** @internal The same, of a file, where nothing says of which. */
  in(file: string): TfcError {
    const diagnostics = this.diagnostics.map((d) => ({ ...d, place: { file, ...d.place } }));
    return new TfcError(this.kind, diagnostics, { cause: this }).after(this.#warnings);
  }

  /** Warnings and notes that were reported before the error, without those that are the error. */
  get warnings(): readonly Diagnostic[] {
    return this.#warnings;
  }

  /** @internal The same error, with what was reported before it. */
  after(reported: readonly Diagnostic[]): this {
    const own = new Set([...this.diagnostics, ...this.#warnings]);
    this.#warnings = [...reported.filter((d) => !own.has(d)), ...this.#warnings];
    return this;
  }

  /** The code of the first diagnostic. */
  get code(): Code {
    return this.diagnostics[0]?.code ?? "INTERNAL";
  }

  /** The status a process should exit with: 70 (EX_SOFTWARE) for a bug, 1 for anything the user can repair. */
  get exitCode(): number {
    return this.kind === "internal" ? 70 : 1;
  }
}

/** An error about what the user gave. */
export function inputError<C extends Code>(
  code: C,
  place: Place,
  params: Params<C>,
  cause?: unknown,
): TfcError {
  return new TfcError("input", [diagnostic(code, place, params)], cause === undefined ? {} : { cause });
}

/** A pass that could not go on. */
export function passError<C extends Code>(
  code: C,
  place: Place,
  params: Params<C>,
  cause?: unknown,
): TfcError {
  return new TfcError("pass", [diagnostic(code, place, params)], cause === undefined ? {} : { cause });
}

/** A bug of tfc. */
export function internalError(place: Place, what: string, cause?: unknown): TfcError {
  return new TfcError(
    "internal",
    [diagnostic("INTERNAL", place, { what })],
    cause === undefined ? {} : { cause },
  );
}
