import { TfcError } from "../diagnostics/error.ts";
import { Sink } from "../diagnostics/sink.ts";

/**
 * Does what reports warnings and notes. An error of it brings along what was reported before.
 *
 * @throws what `act` throws
 */
export async function reporting<T>(act: (sink: Sink) => T | Promise<T>): Promise<T> {
  const sink = new Sink();
  try {
    return await act(sink);
  } catch (cause) {
    throw cause instanceof TfcError ? cause.after(sink.diagnostics) : cause;
  }
}
