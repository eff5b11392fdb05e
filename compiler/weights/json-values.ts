/** Whether a JSON value is an object. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object that a text of JSON is; null for anything else. */
export function recordIn(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

/** Characters of a value that a message shows. */
const SHOWN = 200;

/** A value out of a file, for a message: it may be as long as the file, and nested deeper than can be written again. */
export function jsonText(value: unknown): string {
  if (value === undefined) return "nothing";
  let text: string;
  try {
    text = JSON.stringify(value);
  } catch {
    return "a value that is nested too deep";
  }
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}
