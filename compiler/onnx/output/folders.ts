import { existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { inputError } from "../../diagnostics/error.ts";

/**
 * Makes a folder and those it lies in. One by one: `mkdirSync` with `recursive` never returns where the system says
 * ENOENT below a folder that is there, as /proc does.
 *
 * @param onMade is told of each that was made, the outer ones first
 * @throws TfcError FILE_NOT_WRITABLE for a file of that name; what the file system says, as Node's error
 */
export function makeFolder(folder: string, onMade: (folder: string) => void = () => undefined): void {
  const missing: string[] = [];
  for (let at = resolve(folder); !existsSync(at) && dirname(at) !== at; at = dirname(at)) missing.unshift(at);
  for (const one of missing) {
    try {
      mkdirSync(one);
    } catch (cause) {
      // Made by another writer meanwhile.
      if (!(cause instanceof Error && "code" in cause && cause.code === "EEXIST")) throw cause;
      continue;
    }
    onMade(one);
  }
  if (statSync(folder).isDirectory()) return;
  throw inputError("FILE_NOT_WRITABLE", { file: folder }, { file: folder, why: `${folder} is no folder` });
}
