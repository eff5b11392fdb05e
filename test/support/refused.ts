import { expect } from "@jest/globals";
import { filesIn } from "./folder.ts";
import { tfcHere } from "./tfc.ts";

/**
 * Runs a command that must be refused: exit status 1, nothing on stdout, one error with a code, wanted and found or a
 * cause, and what to do, behind warnings and notes at most; and no file or folder more or less in `folder`.
 *
 * @returns the message
 */
export async function refused(folder: string, ...args: readonly string[]): Promise<string> {
  const before = filesIn(folder);
  const { status, stdout, stderr } = await tfcHere(...args);
  expect(stderr).toMatch(/^(?:.+: )?error [A-Z_]+: .+/m);
  if (status === 70) throw new Error(stderr);
  expect(stderr).toMatch(/^ {2}fix: .+/m);
  expect(stderr.match(/^(?:.+: )?error [A-Z_]+: /gm)).toHaveLength(1);
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(filesIn(folder)).toEqual(before);
  return stderr;
}
