import { Command } from "commander";
import { listAdapter, type AdapterListing } from "../compile/adapter/list.ts";
import { hintsOf, withHints } from "./adapter-hints.ts";
import { adapterRows, formatNames } from "./adapter-text.ts";
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
      .option("--check", "read all numbers, too, and refuse NaN and infinity", false)
      .option("--json", "print one JSON object", false),
  ).action((path: string, flags: Flags) => {
    const { check } = flags;
    const listing = listAdapter(path, { settings: hintsOf(flags), check });
    printResult(flags.json, { ...listing, checked: check }, () => text(listing, check));
  });
}

function text(adapter: AdapterListing, checked: boolean): string {
  return rows([
    ["format", formatNames[adapter.format]],
    ...adapterRows(adapter),
    ...(checked ? [["numbers", "all finite"] as const] : []),
  ]);
}
