import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { ZipFile } from "../../../compiler/weights/torch/zip.ts";
import { ZipWriter } from "../../../compiler/weights/torch/zip-write.ts";
import { readNpz } from "../../../runtime/verify/npz.ts";
import { temporaryFolder } from "../../support/folder.ts";

const folder = temporaryFolder();
/** Files that numpy wrote. */
const numpy = (name: string): string => path.join(import.meta.dirname, "npz", name);

describe("an .npz file", () => {
  it.each(["stored.npz", "deflated.npz"])("of numpy is read: %s", (name) => {
    expect(Object.fromEntries(readNpz(numpy(name)))).toEqual({
      ids: { dtype: "int64", dims: [2, 3], data: BigInt64Array.of(1n, 2n, 3n, 4n, 5n, -6n) },
      logits: { dtype: "float", dims: [1, 2, 3], data: Float32Array.of(0, 0.25, 0.5, 0.75, 1, 1.25) },
      half: { dtype: "float16", dims: [2], data: Uint16Array.of(0x3800, 0xc000) },
      mask: { dtype: "bool", dims: [2], data: Uint8Array.of(1, 0) },
      scalar: { dtype: "double", dims: [], data: Float64Array.of(0.25) },
    });
  });

  it("is refused where it is in another order, of another type, or cut short", () => {
    const short = path.join(folder, "short.npz");
    writeFileSync(short, readFileSync(numpy("stored.npz")).subarray(0, 300));
    for (const [file, found] of [
      [numpy("columns.npz"), "columns"],
      [numpy("big.npz"), ">f4"],
      [short, "cut short"],
    ] as const)
      expect(() => readNpz(file)).toThrow(new RegExp(`LOGITS_FILE[^]*${found}`));
  });

  it("is refused where a shape claims more than there is, before room is made for it", () => {
    const [source, target] = [new ZipFile(numpy("stored.npz")), path.join(folder, "claims.npz")];
    const writer = new ZipWriter(target);
    for (const [name, entry] of source.entries) {
      const text = Buffer.from(source.read(entry)).toString("latin1");
      const claim = text.replace(`(2, 3), }${" ".repeat(10)}`, "(9999999, 99999), }");
      writer.add(name, Buffer.from(claim, "latin1"));
    }
    writer.end();
    writer.close();
    expect(() => readNpz(target)).toThrow(/"ids"[^]*wanted 7999919200008 bytes, found 48/);
  });
});
