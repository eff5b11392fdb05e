import { chmodSync } from "node:fs";

/** A user without rights: `nobody`, on most systems. */
const NOBODY = 65534;

/** Does something as a user whom permissions bind, whoever runs the tests: they do not bind root. */
export async function unprivileged<T>(act: () => T | Promise<T>): Promise<T> {
  const { seteuid } = process;
  if (process.getuid?.() !== 0 || seteuid === undefined) return act();
  seteuid(NOBODY);
  try {
    return await act();
  } finally {
    seteuid(0);
  }
}

/** The same while a file or folder may not be read. */
export async function whileUnreadable<T>(file: string, act: () => T | Promise<T>): Promise<T> {
  chmodSync(file, 0o000);
  try {
    return await unprivileged(act);
  } finally {
    chmodSync(file, 0o755);
  }
}
