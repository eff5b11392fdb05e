import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { TfcError } from "../../../compiler/diagnostics/error.ts";
import { isDict, isWeight, readTorch, type TorchValue } from "../../../compiler/weights/torch/index.ts";
import { ZipFile } from "../../../compiler/weights/torch/zip.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { archive, fixture } from "./archive.ts";

const folder = temporaryFolder();
const file = path.join(folder, "broken.pt");

/** Numbers below a bound, the same in every run. */
function sequence(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

/** Bytes of every tensor there is. */
function sizeOfAll(value: TorchValue): number {
  if (isWeight(value)) return value.bytes().length;
  const items = isDict(value)
    ? [...value].flat()
    : Array.isArray(value)
      ? (value as readonly TorchValue[])
      : [];
  return items.reduce<number>((sum, item) => sum + sizeOfAll(item), 0);
}

/** Reads all of a broken file: whatever happens must be a result or an error about the file. */
function attempt(how: string): string {
  try {
    // No honest fixture has as much; the largest that a lie may cost is what a repeated element is granted.
    expect(sizeOfAll(readTorch(file))).toBeLessThan(2 ** 27);
    return "read";
  } catch (error) {
    if (error instanceof TfcError && error.exitCode === 1) return error.code;
    throw new Error(`${how}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`, {
      cause: error,
    });
  }
}

function outcomes(
  count: number,
  broken: (i: number) => { bytes: Uint8Array; how: string },
): Map<string, number> {
  const seen = new Map<string, number>();
  for (let i = 0; i < count; i++) {
    const { bytes, how } = broken(i);
    writeFileSync(file, bytes);
    const outcome = attempt(how);
    seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
  }
  return seen;
}

function changed(whole: Uint8Array, position: number, value: number): Uint8Array {
  const bytes = Uint8Array.from(whole);
  bytes[position] = value;
  return bytes;
}

const whole = readFileSync(fixture("checkpoint_12.pt"));

/** The pickle and the records of a fixture, so that the pickle can be broken inside a sound archive. */
function taken(name: string): { pickle: Uint8Array; records: Record<string, Uint8Array> } {
  const zip = new ZipFile(fixture(name));
  const all = [...zip.entries].map(
    ([key, entry]) => [key.slice(key.indexOf("/") + 1), zip.read(entry)] as const,
  );
  const records = Object.fromEntries(all);
  const { "data.pkl": pickle = new Uint8Array(0), ...rest } = records;
  return { pickle, records: rest };
}

describe("an archive with", () => {
  it("its end missing, at any place", () => {
    const seen = outcomes(Math.ceil(whole.length / 13), (i) => ({
      bytes: whole.subarray(0, i * 13),
      how: `the first ${i * 13} bytes`,
    }));
    expect([...seen.keys()]).toEqual(["TORCH_INVALID"]);
  });

  it("one byte wrong anywhere", () => {
    const next = sequence(1);
    const seen = outcomes(400, () => {
      const [position, value] = [next(whole.length), next(256)];
      return { bytes: changed(whole, position, value), how: `byte ${position} = ${value}` };
    });
    // Many bytes are padding; what is wrong in a record is found by its checksum.
    expect(seen.get("read")).toBeGreaterThan(0);
    expect(seen.get("TORCH_INVALID")).toBeGreaterThan(100);
  });

  it.each(["checkpoint_12.pt", "deflated.pt", "zip64.pt"])(
    "one byte wrong in the list of records of %s",
    (name) => {
      const bytes = readFileSync(fixture(name));
      const list = bytes.indexOf(Buffer.from([0x50, 0x4b, 0x01, 0x02]));
      const next = sequence(2);
      const seen = outcomes(400, () => {
        const [position, value] = [list + next(bytes.length - list), next(256)];
        return { bytes: changed(bytes, position, value), how: `byte ${position} = ${value}` };
      });
      expect(seen.get("TORCH_INVALID")).toBeGreaterThan(100);
      expect(seen.get("read")).toBeGreaterThan(0);
    },
  );

  it("bytes put in, taken out, or repeated", () => {
    const next = sequence(3);
    outcomes(300, () => {
      const [from, to, length] = [next(whole.length), next(whole.length), 1 + next(40)];
      const parts = [
        whole.subarray(0, from),
        whole.subarray(to, to + length),
        whole.subarray(from + next(2) * length),
      ];
      return { bytes: Buffer.concat(parts), how: `${length} bytes of ${to} at ${from}` };
    });
  });
});

describe.each(["checkpoint_12.pt", "views.pt", "values.pt", "values_5.pt"])(
  "a sound archive of %s whose pickle has",
  (name) => {
    const { pickle, records } = taken(name);
    const broken = (count: number, make: () => { bytes: Uint8Array; how: string }): Map<string, number> => {
      const seen = new Map<string, number>();
      for (let i = 0; i < count; i++) {
        const { bytes, how } = make();
        archive(file, bytes, records);
        const outcome = attempt(how);
        seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
      }
      return seen;
    };

    it("one byte wrong", () => {
      const next = sequence(4);
      const seen = broken(400, () => {
        const [position, value] = [next(pickle.length), next(256)];
        return { bytes: changed(pickle, position, value), how: `byte ${position} = ${value}` };
      });
      expect(seen.get("TORCH_INVALID")).toBeGreaterThan(100);
      expect(seen.get("TORCH_FORBIDDEN")).toBeGreaterThan(0);
    });

    it("several bytes wrong", () => {
      const next = sequence(5);
      broken(150, () => {
        let bytes = pickle;
        const positions = Array.from({ length: 2 + next(6) }, () => next(pickle.length));
        for (const position of positions) bytes = changed(bytes, position, next(256));
        return { bytes, how: `bytes ${positions.join(", ")}` };
      });
    });

    it("its end missing, at any place", () => {
      let length = 0;
      const seen = broken(Math.floor((pickle.length - 1) / 4), () => {
        length += 4;
        return { bytes: pickle.subarray(0, length), how: `the first ${length} bytes` };
      });
      expect([...seen.keys()]).toEqual(["TORCH_INVALID"]);
    });

    it("opcodes put in, taken out, or repeated", () => {
      const next = sequence(6);
      broken(250, () => {
        const [from, to, length] = [next(pickle.length), next(pickle.length), 1 + next(24)];
        const parts = [
          pickle.subarray(0, from),
          pickle.subarray(to, to + length),
          pickle.subarray(from + next(2) * length),
        ];
        return { bytes: Buffer.concat(parts), how: `${length} bytes of ${to} at ${from}` };
      });
    });
  },
);
