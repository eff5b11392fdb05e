import type { Command } from "commander";
import { injectAdapters } from "../../passes/index.ts";
import type { LevelReport } from "../../runtime/verify/tally.ts";
import { inputError } from "../diagnostics/error.ts";
import { growAdapter } from "../weights/resize.ts";
import { CHECK_TOLERANCE, commandOfSize, resizeFile, sizesOf, type ResizeFlags } from "./resize.ts";

const seedOption = injectAdapters.options.seed;

/**
 * `tfc grow <adapter> -o <path> --tokens <n>`: more tokens, or a higher rank, and the same function.
 *
 * The action throws OUTPUTS_DIFFER, and writes nothing, where --check finds another one.
 */
export function growCommand(): Command {
  return commandOfSize(
    "grow",
    "give an adapter more tokens or a higher rank without changing what it computes",
    "prove it: run the base with both adapters and compare every output",
  )
    .option("--seed <n>", "seed of the new numbers (default: 0)")
    .action(async (path: string, flags: ResizeFlags) => {
      const sizes = sizesOf("grow", flags);
      const seed = flags["seed"] === undefined ? 0 : seedOption.check(flags["seed"], "--seed");
      await resizeFile(path, flags, (adapter) => growAdapter(adapter, sizes, seed), prove);
    });
}

function prove(levels: readonly LevelReport[], model: string): void {
  const level = levels.find(({ same }) => !same);
  if (level === undefined) return;
  const wanted = `what the adapter computed before, within ${CHECK_TOLERANCE}`;
  const fix = "nothing was written; growing should not change a number: please report it, with both files";
  const { output = "", detail = "" } = level.worst ?? {};
  throw inputError("OUTPUTS_DIFFER", { file: model }, { output, wanted, found: detail, fix });
}
