import { closeSync, openSync, readSync } from "node:fs";

const WINDOW = 1 << 22;

/**
 * Whether a library was built as a version of onnxruntime: it holds the version as a text of its own. Nothing else in
 * a provider tells it.
 */
export function isOfVersion(library: string, version: string): boolean {
  const wanted = Buffer.from(`\0${version}\0`);
  const fd = openSync(library, "r");
  try {
    // Windows overlap, so that no text is cut in two.
    const window = Buffer.alloc(WINDOW + wanted.length);
    for (let at = 0; ; at += WINDOW) {
      const n = readSync(fd, window, 0, window.length, at);
      if (window.subarray(0, n).includes(wanted)) return true;
      if (n < window.length) return false;
    }
  } finally {
    closeSync(fd);
  }
}
