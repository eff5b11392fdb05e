import { chmodSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "@jest/globals";
import { placed } from "../../compiler/config/placed.ts";
import { filesIn } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tfcHere } from "../support/tfc.ts";
import { unprivileged, whileUnreadable } from "../support/unprivileged.ts";
import { fresh } from "./config-folder.ts";

/** Opens a folder of a test's own to others. */
function open(folder: string): string {
  chmodSync(path.dirname(folder), 0o755);
  chmodSync(folder, 0o755);
  return folder;
}

it("a configuration in a folder that cannot be written finds what it imports, and is taken away", async () => {
  const folder = open(
    fresh({
      "sub/seed.mjs": 'import { rank } from "./rank.mjs";\nexport const seed = rank + 5;',
      "sub/rank.mjs": "export const rank = 2;",
      "node_modules/big/package.json": { name: "big", type: "module", exports: { import: "./index.js" } },
      "node_modules/big/index.js": "export default 3;",
    }),
  );
  const text = `import { seed } from "./sub/seed.mjs";
import big from "big";
const { rank } = await import("./sub/rank.mjs");
export default { seed, big, rank, text: "./sub/seed.mjs" };
`;
  const file = path.join(folder, "tfc.config.ts");
  const beside = await placed(file, text);
  beside.remove();
  expect(path.dirname(beside.module)).toBe(folder);
  const before = filesIn(folder);
  chmodSync(folder, 0o555);
  const { module, remove } = await unprivileged(() => placed(file, text));
  expect(path.dirname(module)).not.toBe(folder);
  const { default: found } = (await import(module)) as { default: unknown };
  expect(found).toEqual({ seed: 7, big: 3, rank: 2, text: "./sub/seed.mjs" });
  remove();
  expect(() => filesIn(path.dirname(module))).toThrow("ENOENT");
  expect(filesIn(folder)).toEqual(before);
});

it.each(["tfc.config.json", "tfc.config.ts", "tfc.config.mjs"])("%s that may not be read", async (name) => {
  const folder = open(fresh());
  const file = path.join(folder, name);
  writeFileSync(file, name.endsWith(".json") ? "{" : "export default 7;");
  const args = ["compile", path.join(folder, "model.onnx"), "--config", file];
  await tfcHere(...args);
  const { status, stderr } = await whileUnreadable(file, () => tfcHere(...args));
  expect(stderr).toContain(`${file}: error FILE_NOT_FOUND: cannot open ${file}\n`);
  expect(stderr).toContain("found one that may not be read");
  expect(status).toBe(1);
});

it("a folder is said to be one", async () => {
  const folder = fresh();
  const args = ["compile", path.join(folder, "model.onnx"), "--config", folder];
  const message = await refused(folder, ...args);
  expect(message).toContain(`${folder}: error FILE_NOT_FOUND: cannot open ${folder}\n`);
  expect(message).toContain("found a folder");
});
