import textformat from "protobufjs/ext/textformat.js";
import { inputError } from "../../../diagnostics/error.ts";
import type { ModelConfig } from "./config.ts";
import { modelConfigType } from "./schema.ts";

/** A configuration as Triton reads it: protobuf's text format, short lists on one line, what it is of at the top. */
export function configText({ name, backend, ...rest }: ModelConfig): string {
  const type = modelConfigType();
  const lines = [{ name, backend }, rest].flatMap((part) =>
    textformat.toText(type, type.fromObject(part)).split("\n"),
  );
  return `${listsOnOneLine(lines).join("\n")}\n`;
}

/**
 * Reads a configuration that lies in a repository.
 *
 * @throws TfcError PACKAGE_CONFIG_INVALID
 */
export function parseConfig(text: string, file: string): ModelConfig {
  const type = modelConfigType();
  try {
    const message = textformat.fromText(type, text);
    return type.toObject(message, { enums: String, longs: Number }) as ModelConfig;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw inputError("PACKAGE_CONFIG_INVALID", { file }, { why }, cause);
  }
}

const NUMBER = /^(?<start> *(?:dims|shape|versions):) (?<value>-?\d+)$/;

/** `dims: [ -1, 32 ]` for a line `dims: -1` and one `dims: 32`; also of one element, as Triton's own examples have it. */
function listsOnOneLine(lines: readonly string[]): string[] {
  const out: string[] = [];
  let [start, values] = ["", [] as string[]];
  const flush = (): void => {
    if (values.length > 0) out.push(`${start} [ ${values.join(", ")} ]`);
    [start, values] = ["", []];
  };
  for (const line of lines) {
    const item = NUMBER.exec(line)?.groups;
    if (item?.["start"] !== start) flush();
    if (item === undefined) out.push(line);
    else [start, values] = [item["start"] ?? "", [...values, item["value"] ?? ""]];
  }
  flush();
  return out;
}
