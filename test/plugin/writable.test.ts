import { expect, test } from "@jest/globals";
import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Entries } from "../../compiler/plugin/entries.ts";
import { TypesFile } from "../../compiler/plugin/types-file.ts";
import { temporaryFolder } from "../support/folder.ts";
import { unprivileged } from "../support/unprivileged.ts";

const folder = temporaryFolder();
chmodSync(folder, 0o755);

/** What a user without rights is told. */
async function messageOf(act: () => void): Promise<string> {
  const error = await unprivileged(() => {
    try {
      act();
    } catch (cause) {
      return cause;
    }
    return null;
  });
  return error instanceof Error ? error.message : String(error);
}

test("entries can be read by builds of other users", () => {
  const made = new Entries(path.join(folder, "shared")).workplace();
  expect(statSync(made).mode & 0o777).toBe(0o755);
});

test("a cache that cannot be written is named, with what to do", async () => {
  const locked = path.join(folder, "locked");
  mkdirSync(locked, { mode: 0o555 });
  const entries = new Entries(path.join(locked, "cache"));
  const message = await messageOf(() => entries.workplace());
  expect(message).toContain("error FILE_NOT_WRITABLE");
  expect(message).toContain(path.join(locked, "cache"));
  expect(message).toContain("`cache`");
  expect(readdirSync(locked)).toEqual([]);
});

test("a file of types that cannot be written is named, with what to do", async () => {
  const locked = path.join(folder, "types");
  mkdirSync(locked);
  const file = path.join(locked, "tfc-env.d.ts");
  const block = ["// Imported by gone.ts", "// Graph 0123", "const model: string;"];
  writeFileSync(file, `declare module "*/a.onnx?tfc" {\n${block.map((line) => `  ${line}\n`).join("")}}\n`);
  const message = await messageOf(() => {
    new TypesFile(file).clean();
  });
  expect(message).toContain("error FILE_NOT_WRITABLE");
  expect(message).toContain("`types: false`");
  expect(readdirSync(locked)).toEqual(["tfc-env.d.ts"]);
});
