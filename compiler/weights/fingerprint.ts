import { createHash } from "node:crypto";
import { inputError } from "../diagnostics/error.ts";
import {
  BASE_KEY,
  fingerprintDifference,
  fingerprintText,
  parseFingerprint,
  type Fingerprint,
} from "./base.ts";

export {
  BASE_KEY,
  fingerprintDifference,
  fingerprintText,
  parseFingerprint,
  type Fingerprint,
  type PackedWidths,
} from "./base.ts";

/**
 * Refuses an adapter that says that it belongs to another base. One that says nothing is taken.
 *
 * @throws TfcError BASE_MISMATCH; ADAPTER_METADATA_INVALID for what is no fingerprint
 */
export function checkBase(
  { file, base }: { readonly file: string; readonly base: string | null },
  own: Fingerprint,
): void {
  if (base === null) return;
  const other = parseFingerprint(base);
  if (other === null) {
    const why = "the fingerprint of a base, which this version of tfc cannot read";
    throw inputError("ADAPTER_METADATA_INVALID", { file, name: BASE_KEY }, { why });
  }
  const difference = fingerprintDifference(other, own);
  if (difference === null) return;
  const [wanted, found] = [fingerprintName(base), fingerprintName(fingerprintText(own))];
  throw inputError("BASE_MISMATCH", { file }, { wanted, found, difference });
}

/** A short name for a fingerprint: `3fa2b81c 6 layers of 128`. Of one base it is the same, whether its modules are known or not. */
export function fingerprintName(text: string): string {
  const fingerprint = parseFingerprint(text);
  const own = fingerprint?.packed === undefined ? text : fingerprintText(withoutPacked(fingerprint));
  const digest = createHash("sha256").update(own).digest("hex").slice(0, 8);
  return fingerprint === null
    ? digest
    : `${digest} (${fingerprint.layers} layers of ${fingerprint.hiddenSize})`;
}

function withoutPacked({ version, layers, hiddenSize, samples }: Fingerprint): Fingerprint {
  return { version, layers, hiddenSize, samples };
}
