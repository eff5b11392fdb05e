import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

/** The installed package onnxruntime-node. */
export interface Binding {
  /** of the package */
  readonly folder: string;
  readonly version: string;
  /** where its native libraries for this machine are */
  readonly libraries: string;
}

/** The package onnxruntime-node that runs would use, or null where none is installed. */
export function installedBinding(): Binding | null {
  try {
    return bindingIn(path.dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json")));
  } catch {
    return null;
  }
}

/** A package onnxruntime-node in a folder. */
export function bindingIn(folder: string): Binding {
  const { version } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8")) as {
    version: string;
  };
  const libraries = path.join(folder, "bin/napi-v6", process.platform, process.arch);
  return { folder, version, libraries };
}
