/** `3 key` for the key of layer 3; null for a name that is no part of a cache. */
export function slotOf(name: string): string | null {
  // What is spelled "key_values" says nothing of the part.
  const words = name.toLowerCase().replace(/key_?values?/g, "kv");
  if (!/past|present|cache|kv|key|value/.test(words)) return null;
  const layer = /\d+/.exec(words)?.[0];
  if (layer === undefined) return null;
  const part = /(?:^|[^a-z])(k|v|key|value)s?(?:[^a-z]|$)/.exec(words)?.[1] ?? "both";
  return `${Number(layer)} ${part.startsWith("k") ? "key" : part.startsWith("v") ? "value" : part}`;
}
