import { inputError } from "../../compiler/diagnostics/error.ts";
import type { AdapterFeeder, AdapterChoice } from "../adapters/feeder.ts";
import type { Session } from "../session/session.ts";
import type { Port } from "../session/tensor.ts";

/** What is compared with, and what is compared. */
export type Pair<T> = readonly [base: T, compiled: T];

/**
 * Refuses an adapter that neither graph takes: it would be compared with nothing.
 *
 * @throws TfcError ADAPTER_INPUTS_NONE, ADAPTER_IDS_NONE
 */
export function checkChoice(
  file: string,
  feeders: Pair<AdapterFeeder>,
  { load, adapterIds }: AdapterChoice,
): void {
  if (load !== undefined && !feeders.some(({ takesAdapters }) => takesAdapters))
    throw inputError("ADAPTER_INPUTS_NONE", { file }, {});
  if (adapterIds !== undefined && !feeders.some(({ takesIds }) => takesIds))
    throw inputError("ADAPTER_IDS_NONE", { file }, {});
}

/** Inputs that one of two graphs has by design. */
export interface OneSided {
  /** That of the compiled graph alone that chooses positions; null where there is none. */
  readonly chooses: Port | null;
  /** Names of those of the base alone that the compiled graph computes. */
  readonly counted: ReadonlySet<string>;
}

/**
 * @throws TfcError VERIFY_INTERFACE when inputs, but for those of adapters, or outputs differ in name or type
 */
export function checkInterface(
  [base, compiled]: Pair<Session>,
  feeders: Pair<AdapterFeeder>,
  { chooses, counted }: OneSided,
): void {
  const inputs = feeders[0].ownInputs.filter(({ name }) => !counted.has(name));
  const others = feeders[1].ownInputs.filter((port) => port !== chooses);
  for (const what of ["inputs", "outputs"] as const) {
    const [a, b] = what === "inputs" ? [inputs, others] : [base.outputs, compiled.outputs];
    const [missing, extra] = [unmatched(a, b), unmatched(b, a)];
    if (missing === "" && extra === "") continue;
    const [wanted, found] = [missing || "no others", extra || "none in their place"];
    throw inputError("VERIFY_INTERFACE", { file: compiled.file }, { what, wanted, found });
  }
}

/**
 * Refuses the size of a symbol that no input has.
 *
 * @throws TfcError VERIFY_SYMBOL
 */
export function checkSizes(file: string, inputs: readonly Port[], sizes: ReadonlyMap<string, number>): void {
  const symbols = inputs.flatMap(({ dims }) => dims).filter((dim) => typeof dim === "string" && dim !== "");
  const known = [...new Set(symbols)].map(String);
  const wrong = [...sizes.keys()].find((name) => !known.includes(name));
  if (wrong !== undefined) throw inputError("VERIFY_SYMBOL", { file }, { name: wrong, known });
}

/** The ports that have no counterpart of their name and type. */
function unmatched(ports: readonly Port[], others: readonly Port[]): string {
  const text = (port: Port): string => `${port.name} (${port.dtype ?? "no tensor"})`;
  const known = new Set(others.map(text));
  return ports
    .map(text)
    .filter((port) => !known.has(port))
    .join(", ");
}
