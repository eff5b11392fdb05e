import type { HalfType } from "../../ir/dtype.ts";
import { halfTypes } from "./half-data.ts";

const letters: Readonly<Record<HalfType, string>> = { float16: "h", bfloat16: "b" };

/** What type parameters do not take, by op: since which version, and letters by type parameter. */
const lacking: ReadonlyMap<string, readonly Version[]> = new Map(
  halfTypes
    .trim()
    .split("\n")
    .map((line) => {
      const [op = "", versions = ""] = line.split(" | ");
      return [op, versions.split("; ").map(versionOf)];
    }),
);

interface Version {
  readonly since: number;
  readonly types: ReadonlyMap<string, string>;
}

function versionOf(text: string): Version {
  const [since = "", types = ""] = text.split(":");
  const pairs = types.split(" ").map((pair) => pair.split("="));
  return { since: Number(since), types: new Map(pairs.map(([name = "", found = ""]) => [name, found])) };
}

/** Whether a type parameter of an op (`Node.op`) that takes float32 takes a half type, too, in a version of the op. */
export function takesHalf(op: string, version: number, parameter: string, dtype: HalfType): boolean {
  const found = lacking.get(op)?.findLast(({ since }) => since <= version);
  return found?.types.get(parameter)?.includes(letters[dtype]) !== true;
}
