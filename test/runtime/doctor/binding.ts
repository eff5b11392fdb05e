import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { installedBinding } from "../../../runtime/session/binding.ts";

/** A package onnxruntime-node in a folder of its own, which holds no library but what a test puts into it. */
export function emptyBinding(folder: string, version: string): { folder: string; libraries: string } {
  const libraries = path.join(folder, "bin/napi-v6", process.platform, process.arch);
  mkdirSync(libraries, { recursive: true });
  writeFileSync(path.join(folder, "package.json"), JSON.stringify({ name: "onnxruntime-node", version }));
  return { folder, libraries };
}

/** A copy of onnxruntime's binding, an ELF file that needs libonnxruntime.so.1 beside it. */
export function copyOfAddon(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, "addon.node");
  copyFileSync(path.join(installedBinding()?.libraries ?? "", "onnxruntime_binding.node"), file);
  return file;
}
