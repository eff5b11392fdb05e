import { TfcError } from "../../compiler/diagnostics/error.ts";
import type { Diagnostic } from "../../compiler/diagnostics/diagnostic.ts";

/** An error on its way to another thread, where objects arrive without their class. */
export type SentError =
  | {
      readonly kind: TfcError["kind"];
      readonly diagnostics: readonly Diagnostic[];
      readonly warnings: readonly Diagnostic[];
      readonly stack: string | undefined;
    }
  | {
      readonly kind: "other";
      readonly name: string;
      readonly message: string;
      readonly stack: string | undefined;
    };

/** Takes an error apart for a message. */
export function sentError(cause: unknown): SentError {
  if (cause instanceof TfcError) {
    const { kind, diagnostics, warnings, stack } = cause;
    return { kind, diagnostics, warnings, stack };
  }
  if (!(cause instanceof Error))
    return { kind: "other", name: "Error", message: String(cause), stack: undefined };
  return { kind: "other", name: cause.name, message: cause.message, stack: cause.stack };
}

/** Puts together what {@link sentError} took apart; the stack is that of the thread where it was thrown. */
export function receivedError(sent: SentError): Error {
  const error =
    sent.kind === "other"
      ? Object.assign(new Error(sent.message), { name: sent.name })
      : new TfcError(sent.kind, sent.diagnostics).after(sent.warnings);
  if (sent.stack !== undefined) error.stack = sent.stack;
  return error;
}
