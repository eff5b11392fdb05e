import type { Command } from "commander";
import { injectAdapters } from "../../passes/index.ts";
import { grow } from "../compile/adapter/resize.ts";
import { commandOfSize, optionsOf, printResized, type ResizeFlags } from "./resize.ts";

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
      const options = optionsOf("grow", path, flags);
      const seed = flags["seed"] === undefined ? {} : { seed: seedOption.check(flags["seed"], "--seed") };
      printResized(await grow({ ...options, ...seed }), flags);
    });
}
