import { describe, expect, it } from "@jest/globals";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { AskedThread } from "../../../runtime/threads/asked.ts";
import { moduleFlags, NotStarted, startProcess } from "../../../runtime/threads/processes.ts";
import { temporaryFolder } from "../../support/folder.ts";

const folder = temporaryFolder();
const built = path.resolve(import.meta.dirname, "../../../dist/runtime/threads/processes.js");

/** A script that answers. */
function script(name: string, act: string): string {
  const file = path.join(folder, `${name}.mjs`);
  writeFileSync(
    file,
    `import { answerParent } from ${JSON.stringify(built)};\nanswerParent(async (request) => { ${act} });\n`,
  );
  return file;
}

/** Asks processes that one script makes, and counts them. */
function asking(file: string, idle = 10_000) {
  let started = 0;
  const asked = new AskedThread<unknown, unknown>({
    begin: () => {
      started++;
      return startProcess(file);
    },
    idle,
    ended: (_, cause) => cause,
  });
  return { asked, started: () => started };
}

const gone = async (pid: number): Promise<boolean> => {
  for (let i = 0; i < 500; i++) {
    try {
      process.kill(pid, 0);
    } catch {
      return true;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
};

describe("a process that answers", () => {
  it("gives what came of each request, and errors with all they say", async () => {
    const { asked, started } = asking(
      script(
        "echo",
        "if (request === null) throw Object.assign(new RangeError('none'), { name: 'Odd' }); return { pid: process.pid, request };",
      ),
      50,
    );
    const sent = { numbers: new Float32Array([1, 2]), big: 3n, none: undefined, map: new Map([["a", 1]]) };
    const answers = await Promise.all([asked.ask(sent), asked.ask("two")]);
    const [{ pid, request }, second] = answers as readonly {
      readonly pid: number;
      readonly request: unknown;
    }[] as [{ pid: number; request: typeof sent }, { pid: number }];
    expect([...request.numbers]).toEqual([1, 2]);
    expect([request.big, "none" in request, request.map.get("a")]).toEqual([3n, true, 1]);
    expect([second.pid, started()]).toEqual([pid, 1]);
    expect(pid).not.toBe(process.pid);
    await expect(asked.ask(null)).rejects.toMatchObject({ name: "Odd", message: "none" });
    // It ends when it has been idle.
    expect(await gone(pid)).toBe(true);
    expect(await asked.ask("again")).toMatchObject({ request: "again" });
    expect(started()).toBe(2);
  });

  it.each([
    ["process.exit(3)", "the process ended with status 3"],
    [
      "process.kill(process.pid, 'SIGKILL'); await new Promise(() => setTimeout(() => {}, 1e6))",
      "the process ended with SIGKILL",
    ],
  ])("that ends by %s fails all who wait, and the next request starts another", async (act, why) => {
    const { asked, started } = asking(
      script(`ends-${why.length}`, `if (request === "end") { ${act} } return request;`),
    );
    const settled = await Promise.allSettled([asked.ask("end"), asked.ask("end")]);
    expect(settled.map((one) => (one.status === "rejected" ? String(one.reason) : one.value))).toEqual(
      Array(2).fill(`Error: ${why}`),
    );
    expect(await asked.ask("go on")).toBe("go on");
    expect(started()).toBe(2);
  });

  it("that ends before it can be asked was not started", async () => {
    const file = path.join(folder, "broken.mjs");
    writeFileSync(file, "process.exit(9);");
    await expect(asking(file).asked.ask("anything")).rejects.toEqual(
      expect.objectContaining({ message: "the process ended with status 9", constructor: NotStarted }),
    );
  });

  it("that cannot be started is told at once", () => {
    const code = `
      process.execPath = ${JSON.stringify(path.join(folder, "no-node"))};
      const { startProcess, NotStarted } = await import(${JSON.stringify(built)});
      try { startProcess("any.mjs"); } catch (error) { console.log(error instanceof NotStarted, error.message); }`;
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", code], { encoding: "utf8" });
    expect(stdout).toBe("true no process could be started\n");
  });
});

it.each([
  [
    ["--import", "tsx", "--inspect", "--require=./hook.cjs", "-C", "development"],
    ["--import", "tsx", "--require=./hook.cjs", "-C", "development"],
  ],
  [
    ["--input-type=module", "--max-old-space-size=512", "-e", "--import", "--preserve-symlinks"],
    ["--import", "--preserve-symlinks"],
  ],
  [["--imported=x", "--watch"], []],
])("of %j, flags about modules are %j", (given, wanted) => {
  expect(moduleFlags(given)).toEqual(wanted);
});
