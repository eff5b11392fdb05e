import { TfcError } from "../../diagnostics/error.ts";
import { isOfPlace, TemporaryModels } from "./temporary.ts";

/** A graph that shows what onnxruntime itself makes of a base that tfc has rewritten. */
export interface Control {
  /** Compiles the base without adapters and gives the path; null where that cannot be. */
  readonly make: () => Promise<string | null>;
  /** Removes what was made. */
  readonly remove: () => void;
}

/** A control for a base: its own nodes, outlined, nothing added. */
export function controlOf(base: string, compiled: string): Control {
  const models = new TemporaryModels(base, compiled);
  return {
    make: async () => {
      const { compile } = await import("../compile.ts");
      try {
        const { file } = await models.make((output) =>
          compile({ input: base, output, adapters: false, weights: "link" }),
        );
        return file;
      } catch (error) {
        // No place, or no decoder: no control.
        if (error instanceof TfcError || isOfPlace(error)) return null;
        throw error;
      }
    },
    remove: () => {
      models.remove();
    },
  };
}
