import { Help, type Command } from "commander";

/** A column of descriptions is at least this wide. */
const LEAST = 16;

/**
 * Has a command's help fit terminals of any width: flags take a third of it at most, and those that are longer have
 * their description on the next line. Commander would give the longest flag its column and then wrap nothing.
 */
export function withNarrowHelp(command: Command): Command {
  return command.configureHelp({
    minWidthToWrap: LEAST,
    padWidth: (one, help) => {
      const longest = Help.prototype.padWidth.call(help, one, help);
      return Math.min(longest, Math.max(LEAST, Math.floor((help.helpWidth ?? 80) / 3)));
    },
    formatItem: (term, width, description, help) => {
      const column = width + 4;
      const head = `  ${term}`;
      if (description === "") return head;
      const wrapped = help.boxWrap(description, Math.max(LEAST, (help.helpWidth ?? 80) - column));
      const text = wrapped.replaceAll("\n", `\n${" ".repeat(column)}`);
      return head.length + 2 > column
        ? `${head}\n${" ".repeat(column)}${text}`
        : `${head.padEnd(column)}${text}`;
    },
  });
}
