import { inResult } from "../colours.ts";

/**
 * A page of Markdown as a terminal shows it: paragraphs and items as wide as the terminal, headings in bold, code as it
 * is, links by their texts.
 *
 * @param width cells of a line
 */
export function markdownText(page: string, width: number): string {
  const blocks = page.trim().split(/^(```[\s\S]*?^```)$/m);
  const parts = blocks.map((block) => (block.startsWith("```") ? codeText(block) : proseText(block, width)));
  return parts.filter((part) => part !== "").join("\n\n");
}

function codeText(block: string): string {
  const lines = block.split("\n").slice(1, -1);
  return lines.map((line) => (line === "" ? "" : `    ${line}`)).join("\n");
}

function proseText(block: string, width: number): string {
  const paragraphs = block.trim().split(/\n{2,}/);
  return paragraphs
    .filter((paragraph) => paragraph !== "" && !paragraph.startsWith("<!--"))
    .map((paragraph) => paragraphText(paragraph, width))
    .join("\n\n");
}

function paragraphText(paragraph: string, width: number): string {
  const [, heading] = /^#+ (.*)$/.exec(paragraph) ?? [];
  if (heading !== undefined) return inResult(plain(heading), "bold");
  if (paragraph.startsWith("|")) return tableText(paragraph);
  return paragraph
    .split(/\n(?=(?:[-*]|\d+\.) )/)
    .map((item) => {
      const [mark = ""] = /^(?:[-*]|\d+\.) /.exec(item) ?? [];
      const text = plain(item.slice(mark.length).replace(/\s*\n\s*/g, " "));
      return wrapped(`${mark}${text}`, width, " ".repeat(mark.length));
    })
    .join("\n");
}

/** Columns one under the other, as they are without the signs. */
function tableText(table: string): string {
  const lines = table.split("\n").filter((line) => !/^[|\s:-]+$/.test(line));
  const cells = lines.map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => plain(cell.trim())),
  );
  const widths = (cells[0] ?? []).map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  return cells
    .map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  "))
    .map((line) => line.trimEnd())
    .join("\n");
}

/** Without the signs that are for the eye of a browser. */
function plain(text: string): string {
  return text
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/(?<![\w`])_([^_`]+)_(?![\w`])/g, "$1")
    .replace(/\*\*([^*]+)\*\*/g, "$1")
    .replaceAll("\\|", "|")
    .replaceAll("`", "");
}

/** A text in lines of so many cells, words left whole. */
export function wrapped(text: string, width: number, indent = ""): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.trim() !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = `${indent}${word}`;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join("\n");
}
