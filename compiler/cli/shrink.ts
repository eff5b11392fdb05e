import type { Command } from "commander";
import { shrink } from "../compile/adapter/resize.ts";
import { commandOfSize, optionsOf, printResized, type ResizeFlags } from "./resize.ts";

/** `tfc shrink <adapter> -o <path> --tokens <n>`: drops the tokens, or ranks, that matter least. */
export function shrinkCommand(): Command {
  return commandOfSize(
    "shrink",
    "drop the tokens or ranks of an adapter whose keys and values have the smallest norms",
    "measure the change: run the base with both adapters and compare every output",
  ).action(async (path: string, flags: ResizeFlags) => {
    printResized(await shrink(optionsOf("shrink", path, flags)), flags);
  });
}
