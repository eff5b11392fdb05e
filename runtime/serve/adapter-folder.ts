import { readdirSync } from "node:fs";
import path from "node:path";
import { diagnostic, type Diagnostic } from "../../compiler/diagnostics/diagnostic.ts";
import { inputError, TfcError } from "../../compiler/diagnostics/error.ts";
import { lookAt } from "../../compiler/onnx/open-failure.ts";
import type { AdapterStore } from "../adapters/store.ts";

/** What a folder of adapters may hold beside them without a word. */
const PASSED_OVER = /^\.|^README(?:\.\w+)?$|^LICENSE/i;

/**
 * Puts the adapters of a folder into a store, each a file or a folder in any format, under a file's name without its
 * extension or a folder's as it is. Each is read once, so that one which does not fit the graph is known before a
 * request names it.
 *
 * @returns a warning for each that is left out, because it is no adapter or none for this graph
 * @throws TfcError SERVE_ADAPTERS where there is no such folder, or nothing in it fits; SERVE_NAME where two have one
 *   name; ADAPTER_INPUTS_NONE for a graph that takes no adapters
 */
export async function addAdaptersIn(folder: string, store: AdapterStore): Promise<readonly Diagnostic[]> {
  const warnings: Diagnostic[] = [];
  for (const [name, file] of entriesOf(folder)) {
    try {
      await store.add(name, file);
    } catch (error) {
      if (!(error instanceof TfcError) || error.code === "ADAPTER_INPUTS_NONE") throw error;
      warnings.push(diagnostic("SERVE_ADAPTER_UNFIT", { file }, { why: reasonOf(error) }));
    }
  }
  if (store.names.length > 0) return warnings;
  const why =
    warnings.length === 0 ? "an empty folder" : `${warnings.length} files and folders that do not fit`;
  throw inputError("SERVE_ADAPTERS", { file: folder }, { folder, why }).after(warnings);
}

/** Files and folders by the names of adapters. */
function entriesOf(folder: string): ReadonlyMap<string, string> {
  const stat = lookAt(folder);
  if (stat?.isDirectory() !== true) {
    const why = stat === null ? "no such folder" : "something of this name that is no folder";
    throw inputError("SERVE_ADAPTERS", { file: folder }, { folder, why });
  }
  const found = new Map<string, string>();
  for (const entry of readdirSync(folder).sort()) {
    if (PASSED_OVER.test(entry)) continue;
    const file = path.join(folder, entry);
    const isFolder = lookAt(file)?.isDirectory() === true;
    const name = isFolder ? entry : path.parse(entry).name;
    if (found.has(name)) throw inputError("SERVE_NAME", { file }, { name });
    found.set(name, file);
  }
  return found;
}

function reasonOf({ code, diagnostics }: TfcError): string {
  const { what = "", found } = diagnostics[0] ?? {};
  return `${code}: ${what}${found === undefined ? "" : `: ${found}`}`;
}
