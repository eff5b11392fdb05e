/** What stands for `inspect` of Node where there is none: values in messages, on one line. */
export function inspect(value: unknown): string {
  if (typeof value === "function") return `[Function: ${value.name}]`;
  if (Array.isArray(value)) return `[ ${value.map((one) => inspect(one)).join(", ")} ]`;
  if (typeof value !== "object" || value === null) return String(value);
  return `{ ${Object.keys(value).join(", ")} }`;
}
