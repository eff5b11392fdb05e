import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { TfcError } from "../../diagnostics/error.ts";

/** A graph that shows what onnxruntime itself makes of a base that tfc has rewritten. */
export interface Control {
  /** Compiles the base without adapters and gives the path; null where that cannot be. */
  readonly make: () => Promise<string | null>;
  /** Removes what was made. */
  readonly remove: () => void;
}

/**
 * A control for a base: its own nodes, outlined, nothing added. Weights are linked, never copied: in the folder for
 * temporary files, or, where that is another disk, beside the compiled graph.
 */
export function controlOf(base: string, compiled: string): Control {
  const folders: string[] = [];
  return {
    make: async () => {
      const { compile } = await import("../compile.ts");
      for (const where of [tmpdir(), path.dirname(compiled)]) {
        try {
          const folder = mkdtempSync(path.join(where, ".tfc-verify-"));
          folders.push(folder);
          const output = path.join(folder, "model.onnx");
          await compile({ input: base, output, adapters: false, weights: "link" });
          return output;
        } catch (error) {
          // No place, no link, or no decoder: the next place, or no control.
          if (!(error instanceof TfcError || isSystemError(error))) throw error;
        }
      }
      return null;
    },
    remove: () => {
      for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    },
  };
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error;
}
