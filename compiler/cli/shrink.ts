import type { Command } from "commander";
import { shrinkAdapter } from "../weights/resize.ts";
import { commandOfSize, resizeFile, sizesOf, type ResizeFlags } from "./resize.ts";

/** `tfc shrink <adapter> -o <path> --tokens <n>`: drops the tokens, or ranks, that matter least. */
export function shrinkCommand(): Command {
  return commandOfSize(
    "shrink",
    "drop the tokens or ranks of an adapter whose keys and values have the smallest norms",
    "measure the change: run the base with both adapters and compare every output",
  ).action(async (path: string, flags: ResizeFlags) => {
    const sizes = sizesOf("shrink", flags);
    // A smaller adapter is another function: what --check finds is reported, and no reason to refuse.
    await resizeFile(
      path,
      flags,
      (adapter) => shrinkAdapter(adapter, sizes),
      () => undefined,
    );
  });
}
