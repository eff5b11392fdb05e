/** A line of a canonical text that is a node, as far as it can be compared with others. */
export interface NodeLine {
  /** `layer 3 self_attn`; the function's name inside one; `outside the layers` where nothing is said. */
  readonly place: string;
  /** `MatMul`, `tfc.Norm` */
  readonly op: string;
  /** Attributes, and what operands are: a weight's type, a constant's numbers, an input's name. No other names. */
  readonly details: string;
  /** The line without its comment: what it is with the names that the text gives. */
  readonly text: string;
}

/** A canonical text taken apart. */
export interface Parts {
  readonly header: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly NodeLine[];
}

const COMMENT = / {2}# [^"]*$/;
const OUTSIDE = "outside the layers";

/** A text without comments and without the version of the file's format: what is compared. */
export function comparable(text: string): string {
  const lines = text.split("\n").map((line) => line.replace(COMMENT, ""));
  return lines.join("\n").replace(/^<ir_version: \d+, /, "<");
}

/** Takes a canonical text apart by its lines: each node, input and weight has one. */
export function partsOf(text: string): Parts {
  const [inputs, outputs, nodes]: [string[], string[], NodeLine[]] = [[], [], []];
  const operands = new Map<string, string>();
  let [section, place]: ["head" | "inputs" | "outputs" | "weights" | "nodes", string] = ["head", OUTSIDE];
  let isMain = true;
  for (const line of text.split("\n")) {
    const whole = line.replace(COMMENT, "");
    const opened = /^(\S+)(?: <.*>)? \(/.exec(line);
    if (opened !== null && section === "head") {
      place = isMain ? OUTSIDE : `function ${opened[1] ?? ""}`;
      operands.clear();
      section = "inputs";
    }
    const entry = whole.trim().replace(/,$/, "");
    if (/=> \(\)?$/.test(line)) section = "outputs";
    else if (line === "<") section = "weights";
    else if (line === "{") section = "nodes";
    else if (line === "}") [section, isMain] = ["head", false];
    else if (section === "inputs" && line.startsWith("  ")) {
      if (isMain) inputs.push(entry);
      operands.set(nameOf(entry), isMain ? entry : "an input");
    } else if (section === "outputs" && line.startsWith("  ") && isMain) outputs.push(entry);
    else if (section === "weights" && line.startsWith("  ")) {
      const [head = "", ...content] = entry.split(" = ");
      operands.set(
        nameOf(head),
        `${head.slice(0, -nameOf(head).length).trim()} ${content.join(" = ")}`.trim(),
      );
    } else if (section === "nodes" && whole.includes(" = ")) {
      const said = COMMENT.exec(line)?.[0].trim().slice(2);
      nodes.push({ ...nodeOf(whole, operands), place: said === undefined || !isMain ? place : said });
    }
  }
  return { header: text.split("\n")[0] ?? "", inputs, outputs, nodes };
}

/** The last word of a declaration. */
function nameOf(entry: string): string {
  return /("(?:[^"\\]|\\.)*"|\S+)$/.exec(entry)?.[1] ?? "";
}

function nodeOf(line: string, operands: ReadonlyMap<string, string>): Omit<NodeLine, "place"> {
  const text = line.trim();
  const right = text.slice(text.indexOf(" = ") + 3);
  const op = /^[^\s(<]+/.exec(right)?.[0] ?? right;
  const call = right.lastIndexOf(" (");
  const attributes = right.slice(op.length, call < 0 ? undefined : call).trim();
  const read = call < 0 ? "" : right.slice(call + 2, -1);
  const names = read.match(/"(?:[^"\\]|\\.)*"|[^,\s]+/g) ?? [];
  const what = names.map((name) => operands.get(name) ?? (name === '""' ? "left out" : "·"));
  return { op, text, details: `${attributes} (${what.join(", ")})`.trim() };
}
