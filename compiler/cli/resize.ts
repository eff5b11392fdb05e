import { statSync } from "node:fs";
import { Command } from "commander";
import { adapterKinds } from "../adapters/index.ts";
import { sizeNames, type ResizeOptions, type ResizeReport } from "../compile/adapter/resize.ts";
import { inputError } from "../diagnostics/error.ts";
import { hintsOf, withHints } from "./adapter-hints.ts";
import { byteText, printDiagnostics, printResult, rows } from "./output.ts";

export interface ResizeFlags extends Readonly<Record<string, unknown>> {
  readonly output: string;
  readonly check?: string;
  readonly force: boolean;
  readonly json: boolean;
}

/** What `tfc grow` and `tfc shrink` have in common. */
export function commandOfSize(name: string, description: string, check: string): Command {
  const command = new Command(name)
    .description(description)
    .argument("<adapter>", "an adapter in any format")
    .requiredOption("-o, --output <path>", "the new adapter; its ending says the format");
  for (const size of sizeNames) {
    const kinds = [...adapterKinds.values()].filter((kind) => kind.size === size).map((kind) => kind.name);
    command.option(
      `--${size} <n>`,
      `new ${size} of ${kinds.join(" and ")}, or a multiple such as 2x or 0.5x`,
    );
  }
  command
    .option("--check <model>", check)
    .option("--force", "check in a model that the adapter does not belong to, too", false)
    .option("--json", "print one JSON object", false);
  return withHints(command);
}

/** @throws TfcError USAGE where no size is given */
export function optionsOf(command: string, input: string, flags: ResizeFlags): ResizeOptions {
  const { output, check, force } = flags;
  const sizes = Object.fromEntries(
    sizeNames.flatMap((name) => {
      const size = flags[name];
      return typeof size === "string" ? [[name, size]] : [];
    }),
  );
  if (Object.keys(sizes).length === 0) {
    const names = sizeNames.map((name) => `--${name}`).join(" or ");
    throw inputError("USAGE", {}, { what: `tfc ${command} needs a size: ${names}` });
  }
  const options = { input, output, sizes, force, settings: hintsOf(flags) };
  return check === undefined ? options : { ...options, check };
}

/** Prints what was done. */
export function printResized(report: ResizeReport, { json }: ResizeFlags): void {
  printDiagnostics(report.diagnostics);
  const { input: file, output, format, files, sites, levels } = report;
  printResult(json, { file, output, format, files, sites, levels }, () => resizedText(report));
}

function resizedText({ sites, levels, files }: ResizeReport): string {
  const groups = new Map<string, { readonly one: (typeof sites)[number]; count: number; dropped: number }>();
  for (const one of sites) {
    const key = `${one.kind} ${one.from} ${one.to}`;
    const group = groups.get(key) ?? { one, count: 0, dropped: 0 };
    groups.set(key, { one, count: group.count + 1, dropped: group.dropped + one.dropped });
  }
  const changed = [...groups.values()].map(({ one, count, dropped }) => {
    const size = adapterKinds.get(one.kind)?.size ?? "";
    const lost = dropped === 0 ? "" : `, ${((100 * dropped) / count).toFixed(2)}% of the norms dropped`;
    return [
      one.kind,
      `${count} ${count === 1 ? "site" : "sites"}, ${size} ${one.from} → ${one.to}${lost}`,
    ] as const;
  });
  const compared = levels.map(
    ({ optimizations, maxAbs, same }) =>
      [
        `check ${optimizations}`,
        `${same ? "equal" : "changed"}: largest difference of an output ${maxAbs === null ? "not a number" : maxAbs.toExponential(1)}`,
      ] as const,
  );
  const written = files.map((file) => `${file}  ${byteText(statSync(file).size)}`).join("\n");
  return rows([...changed, ...compared, [files.length === 1 ? "file" : "files", written]]);
}
