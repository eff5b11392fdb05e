import { copyFileSync, existsSync, linkSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { syncFolder } from "./copy.ts";
import { temporaryFor } from "./temporary.ts";

/** A file that is written and not yet in its place. */
export interface Staged {
  readonly temporary: string;
  readonly file: string;
}

/** What is put in place together. */
export interface Outputs {
  /** Files that stand alone, or that the leader reads. */
  readonly companions: readonly Staged[];
  /** The file that decides what the companions mean: the graph, or a configuration. */
  readonly leader: Staged | null;
  /** The leader again, reading the companions under their temporary names; where it must never read older ones. */
  readonly interim: Staged | null;
}

/** A step failed at `file`, and what was done before is undone. */
export class StepFailure extends Error {
  readonly file: string;

  constructor(file: string, cause: unknown) {
    super(`cannot replace ${file}`, { cause });
    this.file = file;
  }
}

/**
 * Puts files in place. After each step, also one that is the last before a power failure, the leader that is there
 * reads the companions that it was written with, or there is no leader.
 *
 * @throws StepFailure
 */
export function putInPlace({ companions, leader, interim }: Outputs): void {
  const undo: (() => void)[] = [];
  const kept: string[] = [];
  const step = (file: string, act: () => void): void => {
    try {
      act();
    } catch (cause) {
      for (const back of undo) back();
      for (const old of kept) rmSync(old, { force: true });
      throw new StepFailure(file, cause);
    }
  };
  const move = ({ temporary, file }: Staged): void => {
    step(file, () => {
      const old = keepOld(file);
      if (old !== null) kept.push(old);
      renameSync(temporary, file);
      undo.unshift(() => {
        if (old === null) rmSync(file, { force: true });
        else renameSync(old, file);
      });
    });
  };
  const sync = (): void => {
    for (const folder of new Set([...companions, ...(leader === null ? [] : [leader])].map(folderOf)))
      step(folder, () => {
        syncFolder(folder);
      });
  };
  const replaced = interim === null ? [] : companions.filter(({ file }) => existsSync(file));
  const apart = leader !== null && interim === null && mustStandApart(leader, companions);
  if (apart) {
    step(leader.file, () => {
      takeAway(leader.file, undo, kept);
    });
  }
  for (const one of companions) if (!replaced.includes(one)) move(one);
  if (companions.length > 0 && leader !== null) sync();
  if (interim !== null && replaced.length > 0) {
    move(interim);
    sync();
    for (const { temporary, file } of replaced) {
      const second = temporaryFor(file);
      step(file, () => {
        nameAgain(temporary, second);
      });
      move({ temporary: second, file });
      // Renaming one name of a file onto another one does nothing, and leaves both.
      kept.push(second);
    }
    sync();
  }
  if (leader !== null) move(leader);
  sync();
  for (const old of kept) rmSync(old, { force: true });
  for (const { temporary } of companions) rmSync(temporary, { force: true });
}

function folderOf({ file }: Staged): string {
  return dirname(file);
}

/** Whether an old leader would read a new companion. One that stays byte for byte means the same with both. */
function mustStandApart({ temporary, file }: Staged, companions: readonly Staged[]): boolean {
  return (
    existsSync(file) &&
    companions.some((one) => existsSync(one.file)) &&
    !(statSync(file).size === statSync(temporary).size && readFileSync(file).equals(readFileSync(temporary)))
  );
}

function takeAway(file: string, undo: (() => void)[], kept: string[]): void {
  const old = temporaryFor(file);
  renameSync(file, old);
  kept.push(old);
  undo.unshift(() => {
    renameSync(old, file);
  });
  syncFolder(dirname(file));
}

/** A second name for what a file is about to replace, or null where nothing is there. */
function keepOld(file: string): string | null {
  if (!existsSync(file)) return null;
  const old = temporaryFor(file);
  nameAgain(file, old);
  return old;
}

/** A hard link, or a copy where the file system has none. */
function nameAgain(file: string, name: string): void {
  try {
    linkSync(file, name);
  } catch (cause) {
    if (
      !["EPERM", "ENOTSUP", "EMLINK", "ENOSYS", "EACCES"].includes(
        (cause as NodeJS.ErrnoException).code ?? "",
      )
    )
      throw cause;
    copyFileSync(file, name);
  }
}
