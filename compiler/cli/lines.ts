import { createInterface } from "node:readline";

/** Lines that come one after the other. */
export interface Lines {
  /** The next line; null when there is none. */
  next(): Promise<string | null>;
  close(): void;
}

/**
 * Lines of a stream: typed behind a sign, with a history, where it is a terminal. Between two of them a terminal is as
 * ever, so that Ctrl-C is a signal then; at the sign it ends the lines.
 */
export function linesOf(input: NodeJS.ReadStream, output: NodeJS.WriteStream): Lines {
  return input.isTTY ? typedLines(input, output) : pipedLines(input);
}

function pipedLines(input: NodeJS.ReadStream): Lines {
  const reader = createInterface({ input });
  const lines = reader[Symbol.asyncIterator]();
  return {
    next: async () => {
      const line = await lines.next();
      return line.done === true ? null : line.value;
    },
    close: () => {
      reader.close();
    },
  };
}

function typedLines(input: NodeJS.ReadStream, output: NodeJS.WriteStream): Lines {
  let history: string[] = [];
  const next = (): Promise<string | null> =>
    new Promise((resolve) => {
      const reader = createInterface({ input, output, history, prompt: "> " });
      let typed: string | null = null;
      reader.on("history", (lines) => {
        history = lines;
      });
      reader.on("line", (line) => {
        typed = line;
        reader.close();
      });
      reader.on("close", () => {
        if (typed === null) output.write("\n");
        resolve(typed);
      });
      reader.prompt();
    });
  return { next, close: () => undefined };
}
