import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "@jest/globals";
import { attempt } from "./attempt.ts";
import type { Target } from "./targets/index.ts";
import { trip } from "./watch.ts";

/** A target that has nothing to read, and does something else in place of it. */
function doing(read: Target["read"]): Target {
  return { name: "test", write: () => undefined, read };
}

describe("an attempt fails where reading", () => {
  it.each<readonly [string, Target["read"], RegExp]>([
    [
      "starts a process",
      () => {
        spawn(process.execPath, ["--version"]);
      },
      /made .*PROCESSWRAP/,
    ],
    [
      "starts a thread",
      () => {
        new Worker("", { eval: true }).unref();
      },
      /made .*WORKER/,
    ],
    [
      "opens a connection",
      () => {
        connect(9, "127.0.0.1").on("error", () => undefined);
      },
      /made .*TCP/,
    ],
    [
      "makes the file that a payload's command makes",
      (folder) => {
        writeFileSync(trip(folder).replace(/^touch /, ""), "");
      },
      /was run/,
    ],
    [
      "writes outside of its folder",
      (folder) => {
        writeFileSync(path.join(folder, "../other"), "");
      },
      /wrote other outside/,
    ],
  ])("%s", async (_, read, message) => {
    await expect(attempt(doing(read), 1)).rejects.toThrow(message);
  });
});
