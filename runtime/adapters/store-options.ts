import { inputError } from "../../compiler/diagnostics/error.ts";

/** How many adapters are kept in memory where nobody says it; as many as ScalarLM keeps. */
const CAPACITY = 4;

/** The capacity of a store. @throws TfcError GENERATE_OPTION for what is no number of adapters */
export function capacityOf(given: number | undefined): number {
  if (given === undefined) return CAPACITY;
  if (Number.isSafeInteger(given) && given > 0) return given;
  throw inputError(
    "GENERATE_OPTION",
    {},
    { option: "capacity", wanted: "a whole number from 1 on", found: String(given) },
  );
}

/** A look at the name and the path of an adapter: JavaScript's callers are not held by the types. @throws TfcError GENERATE_OPTION */
export function checkSource(name: unknown, path: unknown): void {
  for (const [option, value] of Object.entries({ name, path })) {
    if (typeof value === "string" && value !== "") continue;
    const found = value === "" ? "an empty one" : typeof value;
    throw inputError(
      "GENERATE_OPTION",
      {},
      { option: `the ${option} of an adapter`, wanted: "a text", found },
    );
  }
}
