import type { Random } from "./random.ts";

const token = /"(?:[^"\\]|\\[^])*"|[A-Za-z_]\w*|-?[\d.]+(?:e[+-]?\d+)?|\s+|[^]/g;

const odd = [
  "9223372036854775808",
  "-9223372036854775809",
  "18446744073709551615",
  "1e999",
  "-0.0",
  "nan",
  "…",
  "?",
  "@",
  '""',
  '"\\',
  "constructor",
  "__proto__",
  "seq(",
  "{",
  "}",
  "<",
  "[",
  "# tfc.x: 1\n",
  "\u0000",
  "\ud800",
  " ".repeat(100_000),
];

/** Changes tokens of ONNX's textual syntax, or of JSON: left out, repeated, moved, or others in their place. */
export function mutateText(text: string, random: Random): string {
  const tokens = text.match(token) ?? [];
  for (let n = 1 + random.below(5); n > 0; n--) {
    const at = random.below(tokens.length);
    const from = tokens[random.below(tokens.length)] ?? "";
    switch (random.below(6)) {
      case 0:
        tokens.splice(at, 1);
        break;
      case 1:
        tokens.splice(at, 0, from);
        break;
      case 2:
        tokens[at] = from;
        break;
      case 3:
        tokens.splice(at, 1 + random.below(20));
        break;
      default:
        tokens.splice(at, random.below(2), random.of(odd) ?? "");
    }
  }
  if (random.once(40)) return nested(random);
  return tokens.join("");
}

/** What opens more often than a stack is deep. */
function nested(random: Random): string {
  const open = random.of(["seq(", "g () => () { y = If <b = ", "[", '{"a":', "<", "optional("]);
  return `g (${open.repeat(1 + random.below(100_000))}`;
}

const values: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1e308,
  2 ** 53,
  "",
  "(a+)+$",
  "constructor",
  "x".repeat(90_000),
  "(a|".repeat(30_000),
  [],
  {},
  [[[[]]]],
];

/** Changes values of a JSON document. */
export function mutateJson(json: unknown, random: Random): unknown {
  if (random.once(6)) return random.of(values);
  if (Array.isArray(json)) {
    const list: unknown[] = [...(json as unknown[])];
    const at = random.below(list.length + 1);
    if (random.once(3)) list.splice(at, 1);
    else list[at] = mutateJson(list[at], random);
    return list;
  }
  if (typeof json !== "object" || json === null) return random.of(values);
  const entries: (readonly [string, unknown])[] = Object.entries(json);
  const at = random.below(entries.length);
  const [key = "", value] = entries[at] ?? [];
  const what = random.below(8);
  if (what === 0) entries.splice(at, 1);
  else if (what === 1) entries.push([random.of(["__proto__", "constructor", ""]), value]);
  else entries[at] = [key, mutateJson(value, random)];
  return Object.fromEntries(entries);
}
