import { Command } from "commander";
import type { AdapterFile } from "../weights/adapter-file.ts";
import { finiteBytes, namedWeights } from "../weights/file-weights.ts";
import { readAdapter } from "../weights/read-adapter.ts";
import { siteName } from "../sites/names.ts";
import { hintsOf, withHints } from "./adapter-hints.ts";
import { adapterRows, countsOf, dtypesOf, formatNames } from "./adapter-text.ts";
import { printResult, rows } from "./output.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  readonly check: boolean;
  readonly json: boolean;
}

/** `tfc adapter ls <path>`: what is in an adapter file or folder. */
export function lsCommand(): Command {
  return withHints(
    new Command("ls")
      .description("say what is in an adapter file or folder: kinds, sites, settings, sizes, base")
      .argument("<path>", "an adapter in any format")
      .option("--check", "read all numbers, too, and refuse those that are none", false)
      .option("--json", "print one JSON object", false),
  ).action((path: string, flags: Flags) => {
    const adapter = readAdapter(path, hintsOf(flags));
    if (flags.check) checkNumbers(adapter);
    printResult(flags.json, adapterObject(adapter, flags.check), () => adapterText(adapter, flags.check));
  });
}

function checkNumbers(adapter: AdapterFile): void {
  for (const [name, tensor] of namedWeights(adapter)) finiteBytes(adapter.file, name, tensor);
}

/** What `ls --json` prints. */
function adapterObject(adapter: AdapterFile, checked: boolean): object {
  const { file, format, parts, overrides, base } = adapter;
  return {
    file,
    format,
    parts: parts.map(({ site, kind, settings, leaves }) => ({
      site: siteName(site),
      kind,
      settings,
      leaves: Object.fromEntries([...leaves].map(([name, { dtype, shape }]) => [name, { dtype, shape }])),
    })),
    overrides: Object.fromEntries([...overrides].map(([name, { dtype, shape }]) => [name, { dtype, shape }])),
    parameters: countsOf(adapter),
    dtypes: dtypesOf(adapter),
    base,
    checked,
  };
}

function adapterText(adapter: AdapterFile, checked: boolean): string {
  return rows([
    ["format", formatNames[adapter.format]],
    ...adapterRows(adapter),
    ...(checked ? [["numbers", "all finite"] as const] : []),
  ]);
}
