import { accessSync, constants, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import module, { createRequire } from "node:module";
import path from "node:path";
import { Script } from "node:vm";
import { crc32 } from "node:zlib";

/** What stands before a cache's code: the checksums of the bundle's source and of the code. */
const HEAD = 8;

/**
 * A bundle of CommonJS, and the code that V8 made of it. To start is the larger part of a short command, and to compile
 * is the larger part of that. Node's own cache of compiled code (from 22 on) holds what is compiled before a module
 * runs: of most functions, nothing.
 */
export class Bundle {
  #file;
  #cache;
  #checksum = 0;
  /** @type {Script | null} null where there is no code, and none can be kept */
  #script = null;
  #isCached = false;

  /**
   * @param {string} file path of the bundle
   * @param {string} cache path of the file that the code is kept in. Whoever can write there decides what is run, so
   *   it belongs beside the bundle, not into a folder that others share.
   */
  constructor(file, cache) {
    this.#file = file;
    this.#cache = cache;
  }

  /** @returns {unknown} what the bundle exports */
  run() {
    const source = readFileSync(this.#file);
    this.#checksum = crc32(source);
    const cachedData = this.#kept();
    const require = createRequire(this.#file);
    if (cachedData === undefined && !this.#canKeep()) return require(this.#file);
    // The bundler writes ASCII alone.
    this.#script = new Script(module.wrap(source.toString("latin1")), {
      filename: this.#file,
      cachedData,
    });
    // V8 takes no code of another version of its own, or that was made under other flags.
    this.#isCached = this.#script.cachedDataRejected === false;
    const made = { exports: {} };
    const run = this.#script.runInThisContext();
    run(made.exports, require, made, this.#file, path.dirname(this.#file));
    return made.exports;
  }

  /** Keeps the code of all that has run for the next time, where that is possible, and it did not come from there. */
  keepCode() {
    if (this.#script === null || this.#isCached) return;
    const code = this.#script.createCachedData();
    const head = Buffer.alloc(HEAD);
    head.writeUInt32LE(this.#checksum, 0);
    head.writeUInt32LE(crc32(code), 4);
    const own = `${this.#cache}.${process.pid}`;
    try {
      writeFileSync(own, Buffer.concat([head, code]));
      renameSync(own, this.#cache);
    } catch {
      // A full disk, say: the next run takes longer, and nothing else.
      rmSync(own, { force: true });
    }
  }

  #canKeep() {
    const folder = path.dirname(this.#cache);
    try {
      mkdirSync(folder, { recursive: true });
      accessSync(folder, constants.W_OK);
      return true;
    } catch {
      return false;
    }
  }

  /** Code that was kept of this very source, whole. V8 itself compares no more than the source's length. */
  #kept() {
    try {
      const kept = readFileSync(this.#cache);
      const code = kept.subarray(HEAD);
      const isWhole = kept.readUInt32LE(0) === this.#checksum && kept.readUInt32LE(4) === crc32(code);
      return isWhole ? code : undefined;
    } catch {
      return undefined;
    }
  }
}
