import { opSchemas } from "./op-schemas.ts";

/** What one version of an op takes and gives. */
export interface OpSchema {
  readonly since: number;
  /** least and most; null where the op was withdrawn */
  readonly inputs: Counts | null;
  readonly outputs: Counts | null;
  readonly attributes: ReadonlyMap<string, AttributeSchema>;
}

export interface Counts {
  readonly least: number;
  readonly most: number;
}

interface AttributeSchema {
  /** a letter, as scripts/make-op-schemas.py has them */
  readonly type: string;
  readonly required: boolean;
}

const read = new Map<string, readonly OpSchema[]>();

/** The newest version of an op of the default domain that an opset has; null for one that it has not. */
export function schemaOf(op: string, opset: number): OpSchema | null {
  return versionsOf(op).findLast(({ since }) => since <= opset) ?? null;
}

function versionsOf(op: string): readonly OpSchema[] {
  const known = read.get(op);
  if (known !== undefined) return known;
  const text = Object.hasOwn(opSchemas, op) ? opSchemas[op] : undefined;
  const versions = text === undefined ? [] : text.split("; ").map(versionOf);
  read.set(op, versions);
  return versions;
}

function versionOf(text: string): OpSchema {
  const [since = "", inputs = "-", outputs = "-", ...attributes] = text.split(" ");
  return {
    since: Number(since),
    inputs: countsOf(inputs),
    outputs: countsOf(outputs),
    attributes: new Map(
      attributes.map((one) => {
        const [name = "", type = ""] = one.split("=");
        return [name, { type: type.charAt(0), required: type.endsWith("!") }];
      }),
    ),
  };
}

function countsOf(text: string): Counts | null {
  if (text === "-") return null;
  const [least = "0", most = "0"] = text.split("-");
  return { least: Number(least), most: most === "*" ? Infinity : Number(most) };
}
