/** What a file of JSON holds. */
export type Json = Readonly<Record<string, unknown>>;

/** Whether a value is an object, and neither an array nor null. */
export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
