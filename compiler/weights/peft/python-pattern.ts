import vm from "node:vm";

/** What may be spent on the patterns of a file, in milliseconds: they can be made to take years. */
export class Patience {
  left = 1000;
}

/** Characters of a pattern: names of modules are short, and what is compiled of a long one overflows a stack. */
const LONGEST = 10_000;

/** What stands before a pattern that is the whole of Python's. */
export const WHOLE = "^(?:";

let script: vm.Script | null = null;
let context: vm.Context | null = null;

/** A regular expression of Python's `re`, as far as JavaScript has the same. */
export class PythonPattern {
  readonly #regexp: RegExp;
  readonly #isQuick: boolean;
  readonly #patience: Patience;

  private constructor(regexp: RegExp, isQuick: boolean, patience: Patience) {
    this.#regexp = regexp;
    this.#isQuick = isQuick;
    this.#patience = patience;
  }

  /**
   * What stands around the pattern is JavaScript's: `^(?:${pattern})$` is Python's `fullmatch`, before which Python
   * reads flags (`(?i)`).
   *
   * @param patience what all patterns that share it may take together
   * @returns null for a pattern that is none, or that means something else in JavaScript
   */
  static compile(
    before: string,
    pattern: string,
    after: string,
    patience = new Patience(),
  ): PythonPattern | null {
    if (pattern.length > LONGEST) return null;
    // Python takes flags at the very beginning alone, which is the pattern's where nothing but a group is around it.
    const [head = "", flags = ""] = before === WHOLE ? (/^\(\?([is]+)\)/.exec(pattern) ?? []) : [];
    try {
      // With the flag u an escape that JavaScript does not have is an error, and not the letter itself.
      const regexp = new RegExp(
        `${before}${translate(pattern.slice(head.length))}${after}`,
        `u${[...new Set(flags)].join("")}`,
      );
      return new PythonPattern(regexp, isQuick(pattern), patience);
    } catch {
      return null;
    }
  }

  /** What it captures of a text; null where it does not match, undefined where that takes too long to say. */
  exec(text: string): readonly (string | undefined)[] | null | undefined {
    const start = performance.now();
    try {
      if (this.#isQuick) return this.#regexp.exec(text);
      // Only a script can be given a time to end in; matching is interrupted with it.
      script ??= new vm.Script("pattern.exec(text)");
      context ??= vm.createContext({});
      Object.assign(context, { pattern: this.#regexp, text });
      return script.runInContext(context, {
        timeout: Math.max(1, Math.ceil(this.#patience.left)),
      }) as RegExpExecArray | null;
    } catch {
      return undefined;
    } finally {
      if (!this.#isQuick) this.#patience.left -= performance.now() - start;
    }
  }
}

/**
 * Whether any text of a name's length is matched at once: nothing is repeated that is more than one character wide, and
 * little else leaves a choice. Others are matched against the clock, which takes a hundred times as long.
 */
function isQuick(pattern: string): boolean {
  const choices = pattern.match(/[*+{]/g)?.length ?? 0;
  const branches = pattern.match(/[|?]/g)?.length ?? 0;
  return !/[)\]][*+?{]|\\[\dk]/.test(pattern) && choices <= 2 && branches <= 8;
}

/** Spellings that Python alone has. */
function translate(pattern: string): string {
  return (
    pattern
      .replaceAll("(?P<", "(?<")
      .replace(/\(\?P=(\w+)\)/g, "\\k<$1>")
      .replace(/\\([AZ-])/g, (_, what: string) => ({ A: "^", Z: "$", "-": "\\x2d" })[what] ?? "")
      // re.escape escapes what needs none.
      .replace(/\\([ #&~'"%,:;<=>@`_!])/g, "$1")
  );
}
