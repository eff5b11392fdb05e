import { createHook } from "node:async_hooks";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";

/** What a process makes when it starts another one, a thread, or a connection. */
const outside: ReadonlySet<string> = new Set([
  "PROCESSWRAP",
  "WORKER",
  "TCPWRAP",
  "TCPCONNECTWRAP",
  "TCPSERVERWRAP",
  "TLSWRAP",
  "PIPECONNECTWRAP",
  "UDPWRAP",
  "GETADDRINFOREQWRAP",
  "QUERYWRAP",
  "HTTPCLIENTREQUEST",
]);

/** The file that a payload makes if it is run. */
function tripwire(folder: string): string {
  return path.join(path.dirname(folder), "tripwire");
}

/** A command for a shell, which a payload holds. */
export function trip(folder: string): string {
  return `touch ${tripwire(folder)}`;
}

/**
 * Reads an input in a folder and looks at what comes about beside it.
 *
 * @param folder the only one that may be written into, and the only one in the folder around it
 * @throws Error where a process, a thread or a connection was made, or a file outside of the folder
 */
export async function watched<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const made: string[] = [];
  const hook = createHook({
    init: (_, type) => {
      if (outside.has(type)) made.push(type);
    },
  }).enable();
  const result = await work().finally(() => hook.disable());
  if (made.length > 0) throw new Error(`made ${made.join(", ")}`);
  if (existsSync(tripwire(folder))) throw new Error("what the input holds was run");
  const beside = readdirSync(path.dirname(folder)).filter((name) => name !== path.basename(folder));
  if (beside.length > 0) throw new Error(`wrote ${beside.join(", ")} outside of its folder`);
  return result;
}
