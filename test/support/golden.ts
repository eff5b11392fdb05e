import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { expect } from "@jest/globals";

/**
 * Whether this run writes what it finds into the golden files instead of comparing: `npm run test:update`. A build
 * server never does.
 */
export const isUpdate = process.env["TFC_UPDATE"] !== undefined && !process.env["CI"];

/** Compares a text with a golden file, or writes it there. */
export function expectGolden(file: string, text: string): void {
  if (isUpdate) {
    if (!existsSync(file) || readFileSync(file, "utf8") !== text) writeFileSync(file, text);
    return;
  }
  const golden = existsSync(file) ? readFileSync(file, "utf8") : `(${file} is missing: npm run test:update)`;
  expect(text).toBe(golden);
}
