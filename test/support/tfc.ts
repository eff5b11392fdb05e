import { spawnSync } from "node:child_process";
import { appendFileSync } from "node:fs";
import path from "node:path";
import { jest } from "@jest/globals";
import { main } from "../../compiler/cli/main.ts";

/** What a command printed, and its exit status. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const script = path.resolve(import.meta.dirname, "../../bin/tfc.js");

/** Keeps what a command said for the pages of messages, where `npm run docs:seen` asks for it. */
function record(args: readonly string[], stderr: string): void {
  const file = process.env["TFC_SEEN"];
  if (file !== undefined && stderr !== "") appendFileSync(file, `${JSON.stringify({ args, stderr })}\n`);
}

/** Runs `tfc` as a user does: a process of its own, from dist. */
export function tfc(args: readonly string[], cwd?: string): Outcome {
  const options = { encoding: "utf8", timeout: 60_000, ...(cwd === undefined ? {} : { cwd }) } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], options);
  record(args, stderr);
  return { status, stdout, stderr };
}

/** The same within this process, from the sources: faster, where the process itself is not what is tested. */
export async function tfcHere(...args: readonly string[]): Promise<Outcome> {
  const printed = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((stream) =>
    jest.spyOn(process[stream], "write").mockImplementation((text) => {
      printed[stream] += String(text);
      return true;
    }),
  );
  // Of each test file's own copy of the command line, which a worker has many of.
  const listeners = (["stdout", "stderr"] as const).map((name) => process[name].listeners("error"));
  try {
    const status = await main(args);
    record(args, printed.stderr);
    return { status, ...printed };
  } finally {
    for (const [i, stream] of [process.stdout, process.stderr].entries())
      for (const one of stream.listeners("error"))
        if (listeners[i]?.includes(one) !== true) stream.off("error", one as (error: Error) => void);
    for (const spy of spies) spy.mockRestore();
  }
}
