import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "@jest/globals";
import { lossesOf, STEPS } from "../../scripts/trains.mjs";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const models = "samples/models";

/** What docs/supported-models.md says of training each model. */
const page = readFileSync("docs/supported-models.md", "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .map((line) => line.split("|").map((cell) => cell.trim()));
const column = page[0]?.indexOf(`loss, ${STEPS} steps`) ?? -1;
const rows = page.slice(2).map((cells) => ({ name: cells[1] ?? "", said: cells[column] ?? "" }));

/** Of each family the first model that the CPU runs, however it was exported. */
const families = new Map(
  rows
    .filter(({ name, said }) => name.includes("families/") && said.includes(" to "))
    .toReversed()
    .map((row) => [row.name.replace(/-(?:dynamo|torchscript|transformers|mobius|genai).*$/, ""), row]),
);

it("says of all models that the loss falls, but for those that the CPU cannot run", () => {
  expect(column).toBeGreaterThan(0);
  expect(rows.length).toBeGreaterThan(60);
  for (const { name, said } of rows) {
    const [first, last] = said.split(" to ").map(Number);
    if (name.endsWith("bf16")) expect([name, said]).toEqual([name, "not run: no bfloat16 on the CPU"]);
    else expect([name, Number(last) < Number(first) - 0.5]).toEqual([name, true]);
  }
});

it.each([...families.values()])("$name trains as the page says", async ({ name, said }) => {
  const inside = path.join(models, name, "model.onnx");
  const file = existsSync(inside) ? inside : path.join(models, `${name}.onnx`);
  const losses = await lossesOf(file, mkdtempSync(path.join(folder, "model-")), 4);
  const [first = NaN, last = NaN] = said.split(" to ").map(Number);
  expect(losses[0]).toBeCloseTo(first, 2);
  expect(losses.at(-1)).toBeLessThan(losses[0] ?? NaN);
  expect(losses.at(-1)).toBeGreaterThan(last);
});

it("trains no bfloat16 on the CPU", async () => {
  const [row] = rows.filter(({ name }) => name.endsWith("bf16"));
  const file = path.join(models, row?.name ?? "", "model.onnx");
  await expect(lossesOf(file, mkdtempSync(path.join(folder, "model-")), 1)).rejects.toThrow(
    "RUNTIME_NO_KERNEL",
  );
});
