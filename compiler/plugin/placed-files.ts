import { rmSync } from "node:fs";

/**
 * Files that a plugin has put beside a bundler's own. When a watched model changes, the build that follows has others
 * under other names: the earlier ones, which no bundler knows of and which may be large, are taken away.
 */
export class PlacedFiles {
  readonly #before = new Map<string, ReadonlySet<string>>();

  /** Notes all files that an output has now, and removes those that only its last build had. */
  note(output: string, now: ReadonlySet<string>): void {
    for (const file of this.#before.get(output) ?? []) if (!now.has(file)) rmSync(file, { force: true });
    this.#before.set(output, now);
  }
}
