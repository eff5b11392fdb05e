import { closeSync, openSync, readSync } from "node:fs";
import { resolve } from "node:path";
import { WRITTEN_BY_TFC } from "../bindings/write.ts";
import { inputError } from "../diagnostics/error.ts";
import { lookAt, opening } from "../onnx/open-failure.ts";

/**
 * The file of a model's bindings, absolute; null where none are asked for. One that is there is replaced only where tfc
 * has written it: a program of the user's own would be lost.
 *
 * @throws TfcError OPTION_OUT_OF_RANGE for a name that is none of TypeScript; BINDINGS_FOREIGN
 */
export function bindingsPath(asked: string | undefined): string | null {
  if (asked === undefined) return null;
  if (!/\.[cm]?ts$/.test(asked) || /\.d\.[cm]?ts$/.test(asked)) {
    const wanted = "a file of TypeScript, such as llama.ts";
    throw inputError("OPTION_OUT_OF_RANGE", {}, { option: "bindings", found: asked, wanted });
  }
  const file = resolve(asked);
  if (lookAt(file)?.isFile() === true && !startsAsOurs(file))
    throw inputError("BINDINGS_FOREIGN", { file: asked }, { file: asked, begins: WRITTEN_BY_TFC });
  return file;
}

function startsAsOurs(file: string): boolean {
  const wanted = Buffer.from(WRITTEN_BY_TFC);
  const found = Buffer.alloc(wanted.length);
  const fd = opening(file, () => openSync(file, "r"));
  try {
    readSync(fd, found, 0, found.length, 0);
  } finally {
    closeSync(fd);
  }
  return found.equals(wanted);
}
