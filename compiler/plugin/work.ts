import type { GraphDescription } from "../bindings/description.ts";
import type { Found } from "./cache.ts";
import type { ImportRequest } from "./import-id.ts";
import type { Maker } from "./make-entry.ts";

/** What of a build takes memory, and is done where that is given back: making an entry, and printing types. */
export type Work =
  | { readonly kind: "entry"; readonly request: ImportRequest; readonly maker: Maker }
  | { readonly kind: "types"; readonly graph: GraphDescription };

/** Does it. @throws TfcError what compiling throws */
export async function worked(work: Work): Promise<Found | string> {
  if (work.kind === "types") {
    const { moduleTypes } = await import("../bindings/write.ts");
    return moduleTypes(work.graph);
  }
  const { makeEntry } = await import("./make-entry.ts");
  return makeEntry(work.request, work.maker);
}
