/**
 * Text of types and tables that is broken into lines as prettier would break it, so that formatting a generated file
 * changes nothing: a group stands on one line where it fits, else each of its items on a line of its own.
 */
export type Layout =
  | string
  | {
      readonly open: string;
      readonly items: readonly Layout[];
      readonly close: string;
      /** Whether each item has its line even where all fit on one. */
      readonly isBroken?: boolean;
      /** Whether broken items share lines, as numbers do. */
      readonly isFilled?: boolean;
      /** Whether a comma stands behind the last item of a broken list; not so of type arguments. Default true. */
      readonly hasTrailing?: boolean;
    };

/** Columns of a line. */
const WIDTH = 80;

/** A list in brackets; numbers share lines. */
export function list(items: readonly Layout[], isBroken = false): Layout {
  const isFilled = items.length > 1 && items.every((item) => typeof item === "string" && /^\d+$/.test(item));
  return { open: "[", items, close: "]", isBroken, isFilled };
}

/** The words of a layout on one line. */
export function flat(layout: Layout): string {
  if (typeof layout === "string") return layout;
  return `${layout.open}${layout.items.map(flat).join(", ")}${layout.close}`;
}

/**
 * Writes a layout.
 *
 * @param column where it begins
 * @param indent of the line that it begins on
 * @param after how many columns follow it on its line, such as a semicolon
 */
export function written(layout: Layout, column: number, indent: number, after = 1): string {
  const line = flat(layout);
  if (typeof layout === "string") return line;
  if (layout.items.length === 0 || (!hasBroken(layout) && column + line.length + after <= WIDTH)) return line;
  const pad = " ".repeat(indent + 2);
  const body =
    layout.isFilled === true
      ? filled(layout.items.map(flat), pad)
      : layout.items.map((item) => `${pad}${written(item, pad.length, pad.length)}`).join(",\n") +
        (layout.hasTrailing === false ? "" : ",");
  return `${layout.open}\n${body}\n${" ".repeat(indent)}${layout.close}`;
}

/** Where a line ends inside what ts-morph is given: it would indent lines in its own way. */
export const LINE_END = "\v";

/** The type of a member of an interface. */
export function memberType(layout: Layout, name: string, isOptional = false): string {
  const head = `  readonly ${name}${isOptional ? "?" : ""}: `;
  return written(layout, head.length, 2).replaceAll("\n", LINE_END);
}

/** A type with arguments. */
export function generic(name: string, items: readonly Layout[]): Layout {
  return { open: `${name}<`, items, close: ">", hasTrailing: false };
}

function hasBroken(layout: Layout): boolean {
  return typeof layout !== "string" && (layout.isBroken === true || layout.items.some(hasBroken));
}

function filled(words: readonly string[], pad: string): string {
  const lines: string[] = [];
  let line = pad;
  for (const word of words) {
    const next = `${word},`;
    const longer = line === pad ? line + next : `${line} ${next}`;
    if (longer.length > WIDTH && line !== pad) lines.push(line);
    line = longer.length > WIDTH && line !== pad ? pad + next : longer;
  }
  return [...lines, line].join("\n");
}

/**
 * Writes what a type alias stands for: `type A = "x" | "y";`, one member a line where they do not fit.
 *
 * @param column where it begins, behind `= `
 */
export function union(members: readonly Layout[], column: number): string {
  const [only] = members;
  if (only === undefined) return "never";
  if (members.length === 1) return written(only, column, 0);
  const line = members.map(flat).join(" | ");
  if (column + line.length + 1 <= WIDTH) return line;
  if (2 + line.length + 1 <= WIDTH) return `\n  ${line}`;
  return members.map((member) => `\n  | ${written(member, 4, 4, 0)}`).join("");
}

/** A text as a literal in quotes, those that need fewer escapes. */
export function quoted(text: string): string {
  const double = JSON.stringify(text);
  const [doubles, singles] = [text.split('"').length, text.split("'").length];
  if (doubles <= singles) return double;
  return `'${double.slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}

/** A text as the fixed part of a template literal. */
export function templated(text: string): string {
  return JSON.stringify(text)
    .slice(1, -1)
    .replaceAll('\\"', '"')
    .replaceAll("`", "\\`")
    .replaceAll("${", "\\${");
}

/** A name as a property is called. */
export function key(name: string): string {
  return /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u.test(name) ? name : quoted(name);
}

/** Words for a comment, on one line. */
export function comment(text: string): string {
  return text.replaceAll("*/", "*\\/").replace(/[\s\p{Cc}]+/gu, " ");
}
