import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { verifyModel } from "../../compiler/ir/verify.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { printModel } from "../../compiler/text/print.ts";
import { passes } from "../../passes/index.ts";
import { compare } from "../../runtime/verify/compare.ts";
import { readCase, withResults, type Case } from "../support/case.ts";
import { isUpdate } from "../support/golden.ts";
import { runCase, type Outcome } from "../support/run-case.ts";
import { feedsOf, makeWeights, runModel } from "../support/run-model.ts";

const root = "test/passes";
const folders = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .sort();

describe.each(folders)("%s", (folder) => {
  const files = readdirSync(join(root, folder)).filter((name) => name.endsWith(".case"));

  it.each(files.sort())(`${folder}/%s`, async (name) => {
    const file = join(root, folder, name);
    const test = readCase(file);
    const outcome = runCase(test, folder);
    if (isUpdate) {
      const { text: expected, diagnostics } = outcome;
      writeFileSync(file, withResults(file, { expected, diagnostics }));
    } else {
      expect(outcome.diagnostics).toBe(test.diagnostics);
      expect(outcome.text).toBe(test.expected);
    }
    expectSound(outcome);
    if (test.feeds === null) return;
    await expectSameResults(test, test.options.reads ? runCase(test, folder, makeWeights) : outcome);
  });
});

it("every pass has cases, and every folder is of a pass", () => {
  const names = passes.map((pass) => pass.name);
  expect(names.filter((name) => !existsSync(join(root, name)))).toEqual([]);
  expect(folders.filter((name) => !names.includes(name))).toEqual([]);
});

/** What holds of every case: graphs verify, text is read back as it was written, a second run changes nothing. */
function expectSound({ input, model, text, unsettled }: Outcome): void {
  expectRoundTrip(printModel(input));
  expect(verifyModel(input)).toEqual([]);
  if (model === null || text === null) return;
  expectRoundTrip(`${text}\n`);
  expect(verifyModel(model)).toEqual([]);
  expect(verifyModel(parseModel(text))).toEqual([]);
  expect(unsettled).toEqual([]);
}

function expectRoundTrip(text: string): void {
  expect(printModel(parseModel(text))).toBe(text);
}

async function expectSameResults({ feeds: shapes, options }: Case, { input, model }: Outcome): Promise<void> {
  if (model === null || shapes === null) return;
  const feeds = feedsOf(input, shapes);
  const before = await runModel(input, feeds);
  const after = await runModel(model, feeds);
  expect([...after.keys()]).toEqual([...before.keys()]);
  for (const [name, want] of before) {
    const got = after.get(name);
    if (got === undefined) continue;
    const { same, detail } = compare(want, got, options.tolerance);
    expect({ name, same, detail: same ? null : detail }).toEqual({ name, same: true, detail: null });
  }
}
