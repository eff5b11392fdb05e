import { linkSync, existsSync, realpathSync, rmdirSync, rmSync, statSync } from "node:fs";
import { dirname, resolve, sep } from "node:path";
import { inputError, TfcError } from "../diagnostics/error.ts";
import { isSystemError } from "../diagnostics/system-error.ts";
import { putInPlace, StepFailure, type Staged } from "./output/commit.ts";
import {
  cloneFile,
  copySteps,
  inSteps,
  pieceSteps,
  syncFile,
  syncFolder,
  type Progress,
} from "./output/copy.ts";
import { makeFolder } from "./output/folders.ts";
import { forget, remember } from "./output/interrupt.ts";
import { OutputLock } from "./output/lock.ts";
import { checkSpace, spaceFix, type SpaceFix } from "./output/space.ts";
import { removeStale, temporaryFor } from "./output/temporary.ts";
import type { Piece } from "./skeleton.ts";

export { writePieces, type Progress } from "./output/copy.ts";

/**
 * The files of one command. Each is written under a temporary name beside its place, and only {@link commit} moves
 * them there: outputs appear whole or not at all, also when the process is killed at any moment. An interrupted process
 * takes its temporary files away; those of one that was killed go with the next run.
 */
export class OutputFiles {
  readonly #staged: Staged[] = [];
  readonly #temporaries: string[] = [];
  /** Waits for the disk, one for each file that was written. */
  readonly #syncs: Promise<void>[] = [];
  readonly #madeFolders: string[] = [];
  readonly #leader: string | null;
  #interim: Staged | null = null;
  #lock: OutputLock | null = null;
  #space = spaceFix(null);

  /** @param leader the file that says what the others mean: a graph reads weights, a configuration explains them */
  constructor(leader?: string) {
    this.#leader = leader === undefined ? null : resolve(leader);
    remember(this);
  }

  /** The files that will be there after {@link commit}. */
  get files(): readonly string[] {
    return this.#staged.map((s) => s.file);
  }

  /** Has the message about a full disk say what else helps, besides space or another disk. */
  adviseOfSpace(also: string): void {
    this.#space = spaceFix(also);
  }

  /**
   * Makes the folder a file is to go to, and removes what a killed run left there. Called for the main output first, so
   * that one that cannot be written is said at once, by the name that was asked for, and not after other files were
   * copied.
   *
   * @param bytes how many will be written, where that is known
   * @throws TfcError FILE_NOT_WRITABLE
   */
  prepare(file: string, bytes = 0): void {
    checkFileName(file);
    const target = resolve(file);
    this.#naming(file, "", () => {
      makeFolder(dirname(target), (made) => this.#madeFolders.push(made));
      checkTarget(target);
      removeStale(target, this.#leader);
      checkSpace(file, bytes, this.#space);
    });
  }

  /**
   * Waits until no other writer replaces the leader, and keeps others waiting until {@link commit} or {@link discard}.
   *
   * @throws TfcError FILE_NOT_WRITABLE
   */
  async lock(): Promise<void> {
    const leader = this.#leader;
    if (leader === null || this.#lock !== null) return;
    await this.#namingAsync(leader, "", async () => {
      this.#lock = await OutputLock.on(leader);
    });
  }

  /**
   * Writes a file through `write`, which is given the temporary path.
   *
   * @throws TfcError FILE_NOT_WRITABLE
   */
  async stage(file: string, write: (temporary: string) => void | Promise<void>): Promise<void> {
    this.#staged.push(await this.#write(file, write, true));
  }

  /**
   * Writes the leader as it is to be while its companions are put in place: reading them where {@link interims} says.
   * Needed where an older leader is replaced, which would read new companions under the names it knows.
   */
  async stageInterim(write: (temporary: string) => void | Promise<void>): Promise<void> {
    if (this.#leader !== null) this.#interim = await this.#write(this.#leader, write, true);
  }

  /** Where companions of an older leader lie until the leader is replaced: their paths, by the paths they will have. */
  interims(): ReadonlyMap<string, string> {
    const leader = this.#leader;
    if (leader === null || !existsSync(leader)) return new Map();
    const replaced = this.#staged.filter(({ file }) => file !== leader && existsSync(file));
    return new Map(replaced.map(({ file, temporary }) => [file, temporary]));
  }

  /** Writes pieces through {@link stage} or {@link stageInterim}. */
  async write(temporary: string, pieces: readonly Piece[], onBytes?: (done: number) => void): Promise<void> {
    await inSteps(pieceSteps(temporary, pieces), (done) => {
      this.#lock?.touch();
      onBytes?.(done);
    });
  }

  /** A second name for the bytes of `from`, or a copy where the file system cannot give one. Says which it was. */
  async link(from: string, file: string, progress?: Progress): Promise<"link" | "copy"> {
    try {
      await this.#stageAs(file, (temporary) => {
        // The file itself: a second name of a symbolic link would lead nowhere from another folder.
        linkSync(realpathSync(from), temporary);
      });
      return "link";
    } catch (cause) {
      const code = cause instanceof TfcError && isSystemError(cause.cause) ? (cause.cause.code ?? "") : "";
      if (!["EXDEV", "EPERM", "EMLINK", "ENOTSUP", "EACCES"].includes(code)) throw cause;
      await this.copy([[from, file]], progress);
      return "copy";
    }
  }

  /**
   * Copies files, or has the file system share their bytes. Before the first byte is copied, the disk is asked for the
   * space of all that it cannot share.
   *
   * @throws TfcError FILE_NOT_WRITABLE
   */
  async copy(pairs: readonly (readonly [from: string, file: string])[], progress?: Progress): Promise<void> {
    const whole: (readonly [from: string, file: string])[] = [];
    for (const [from, file] of pairs) {
      const shared = { all: false };
      await this.#stageAs(file, (temporary) => {
        shared.all = cloneFile(from, temporary);
      });
      if (!shared.all) whole.push([from, file]);
    }
    const [first] = whole;
    if (first === undefined) return;
    const bytes = whole.reduce((sum, [from]) => sum + statSync(from).size, 0);
    this.#naming(first[1], "", () => {
      checkSpace(first[1], bytes, this.#space);
    });
    for (const [from, file] of whole) {
      const staged = this.#staged.find((one) => one.file === resolve(file));
      if (staged === undefined) continue;
      await this.#namingAsync(file, staged.temporary, async () => {
        const total = statSync(from).size;
        await inSteps(copySteps(from, staged.temporary), (done) => progress?.(file, done, total));
        await syncFile(staged.temporary);
      });
    }
  }

  /**
   * Moves every staged file to its place. After each step the leader that is there, old or new, reads what it was
   * written with. Where a file cannot be moved, those before it are taken back.
   *
   * @param check asked when no other writer is in the way and nothing has been moved yet
   * @throws TfcError FILE_NOT_WRITABLE; what `check` throws
   */
  async commit(check?: () => void): Promise<void> {
    await Promise.all(this.#syncs);
    await this.lock();
    for (const { file } of this.#staged)
      this.#naming(file, "", () => {
        checkTarget(file);
      });
    check?.();
    const leader = this.#staged.find(({ file }) => file === this.#leader) ?? null;
    const companions = this.#staged.filter((one) => one !== leader);
    // Nothing is waited for from here on: an interruption is heard before or after.
    try {
      for (const folder of this.#madeFolders) syncFolder(dirname(folder));
      putInPlace({ companions, leader, interim: this.#interim });
    } catch (cause) {
      if (!(cause instanceof StepFailure)) throw cause;
      const why = failureOf(cause.cause) ?? String(cause.cause);
      throw inputError("FILE_NOT_WRITABLE", { file: cause.file }, { file: cause.file, why }, cause.cause);
    }
    // The graph that is there now reads none of what a run that was killed while it replaced it has left.
    for (const { file } of this.#staged) removeStale(file, this.#leader);
    this.#staged.length = 0;
    this.#madeFolders.length = 0;
    this.discard();
  }

  /** Removes what was staged and not committed. */
  discard(): void {
    // Below a folder that is none there is nothing to remove, and rmSync would fail.
    for (const temporary of this.#temporaries) if (existsSync(temporary)) rmSync(temporary, { force: true });
    this.#lock?.release();
    for (const folder of this.#madeFolders.reverse()) removeEmpty(folder);
    this.#staged.length = 0;
    this.#temporaries.length = 0;
    this.#syncs.length = 0;
    this.#madeFolders.length = 0;
    this.#interim = null;
    this.#lock = null;
    forget(this);
  }

  /** Stages a file that needs no writing of its own: a name or a share of bytes that are on the disk. */
  async #stageAs(file: string, make: (temporary: string) => void): Promise<void> {
    this.#staged.push(await this.#write(file, make, false));
  }

  async #write(
    file: string,
    write: (temporary: string) => void | Promise<void>,
    isNew: boolean,
  ): Promise<Staged> {
    this.prepare(file);
    const target = resolve(file);
    const temporary = temporaryFor(target);
    // Known before it is there, so that an interruption takes it away.
    this.#temporaries.push(temporary);
    await this.#namingAsync(file, temporary, async () => {
      await write(temporary);
    });
    if (isNew) this.#beginSync(file, temporary);
    return { temporary, file: target };
  }

  /** Has the disk take a file while the next one is made. {@link commit} waits for it. */
  #beginSync(file: string, temporary: string): void {
    if (!existsSync(temporary)) return;
    const sync = this.#namingAsync(file, temporary, () => syncFile(temporary));
    // Who commits learns of its failure; until then nobody does, which Node would take for a mistake.
    sync.catch(() => undefined);
    this.#syncs.push(sync);
  }

  /** Says of failures of the file system which file was to be written. */
  #naming<T>(file: string, temporary: string, act: () => T): T {
    try {
      return act();
    } catch (cause) {
      throw named(cause, file, temporary, this.#space);
    }
  }

  async #namingAsync<T>(file: string, temporary: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (cause) {
      throw named(cause, file, temporary, this.#space);
    }
  }
}

/** A folder that another writer has put something into stays. */
function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
  }
}

/**
 * Refuses a name that says of itself that it is a folder's: resolved, it would be a file's.
 *
 * @throws TfcError FILE_NOT_WRITABLE
 */
export function checkFileName(file: string): void {
  if (!file.endsWith("/") && !file.endsWith(sep)) return;
  throw inputError("FILE_NOT_WRITABLE", { file }, { file, why: "the name of a folder" });
}

/** Only a regular file may be replaced: a device or a folder of this name is surely not meant. */
function checkTarget(file: string): void {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined || stat.isFile()) return;
  const why = stat.isDirectory() ? "a folder of this name" : "something of this name that is no regular file";
  throw inputError("FILE_NOT_WRITABLE", { file }, { file, why });
}

function named(cause: unknown, file: string, temporary: string, space: SpaceFix): unknown {
  const why = failureOf(cause, temporary);
  if (why === null) return cause;
  const [first] = cause instanceof TfcError ? cause.diagnostics : [];
  const fix = first?.fix ?? (/^(ENOSPC|EDQUOT)/.test(why) ? space.unknown : undefined);
  return inputError(
    "FILE_NOT_WRITABLE",
    { file },
    { file, why, ...(fix === undefined ? {} : { fix }) },
    cause,
  );
}

/** What the file system said, also through a writer that names the temporary file; null for other failures. */
function failureOf(cause: unknown, temporary = ""): string | null {
  const [first] = cause instanceof TfcError ? cause.diagnostics : [];
  const text =
    first?.code === "FILE_NOT_WRITABLE" ? first.found : isSystemError(cause) ? cause.message : undefined;
  if (text === undefined) return null;
  return temporary === "" ? text : text.replaceAll(temporary, "a temporary file there");
}
