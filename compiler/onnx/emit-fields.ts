import { ENTRY } from "./ids.ts";
import type { Entry } from "./schema.ts";
import { readEntry } from "./import-tensor.ts";
import {
  BYTES,
  FIXED32,
  fieldsIn,
  int64,
  isText,
  readerOf,
  tagOf,
  VARINT,
  type Field,
  type Writer,
} from "./wire.ts";

/** A field of a message as the IR has it. `write` is null where the bytes that it was imported from say the same. */
export interface Own {
  readonly id: number;
  readonly write: (() => void) | null;
}

/**
 * A message to be written. Fields come in the order of their numbers, as protobuf's own libraries write them; those
 * that the IR does not model, and those that did not change, as the bytes that the message was imported from have
 * them. So an empty string that was written stays one, and one that was left out stays left out.
 */
export class Message {
  readonly #w: Writer;
  readonly #source: Uint8Array | undefined;
  readonly #fields: readonly Field[];

  constructor(w: Writer, source: Uint8Array | undefined) {
    this.#w = w;
    this.#source = source;
    this.#fields = source === undefined || source.length === 0 ? [] : fieldsIn(source);
  }

  /** Writes all fields. @param own in the order of their numbers */
  write(own: readonly Own[]): void {
    const source = this.#source;
    if (source !== undefined && own.every(({ write }) => write === null)) {
      this.#w.raw(source);
      return;
    }
    const fields = [...this.#fields].sort((a, b) => a.id - b.id);
    let at = 0;
    const copyBelow = (id: number): void => {
      for (let field = fields[at]; field !== undefined && field.id < id; field = fields[++at])
        this.#copy(field);
    };
    for (const { id, write } of own) {
      copyBelow(id);
      if (write === null) {
        copyBelow(id + 1);
        continue;
      }
      while (fields[at]?.id === id) at++;
      write();
    }
    copyBelow(Infinity);
  }

  #copy({ start, end }: Field): void {
    if (this.#source !== undefined) this.#w.raw(this.#source.subarray(start, end));
  }

  #of(id: number): readonly Field[] {
    return this.#fields.filter((field) => field.id === id);
  }

  has(id: number): boolean {
    return this.#fields.some((field) => field.id === id);
  }

  /** A field as it was imported, or none. */
  kept(id: number): Own {
    return { id, write: null };
  }

  /** Nothing in the place of a field. */
  without(id: number): Own {
    return this.has(id) ? { id, write: () => undefined } : { id, write: null };
  }

  text(id: number, text = ""): Own {
    const last = this.#of(id).at(-1);
    const same = last === undefined ? text === "" : this.#isText(last, text);
    return {
      id,
      write: same
        ? null
        : () => {
            this.#string(id, text);
          },
    };
  }

  texts<T>(id: number, items: readonly T[], textOf: (item: T) => string): Own {
    const fields = this.#of(id);
    const same =
      fields.length === items.length &&
      items.every((item, i) => {
        const field = fields[i];
        return field !== undefined && this.#isText(field, textOf(item));
      });
    if (same) return this.kept(id);
    return {
      id,
      write: () => {
        for (const item of items) this.#string(id, textOf(item));
      },
    };
  }

  #isText({ wire, content, end }: Field, text: string): boolean {
    return wire === BYTES && this.#source !== undefined && isText(this.#source, content, end, text);
  }

  #string(id: number, text: string): void {
    this.#w.uint32(tagOf(id, BYTES)).string(text);
  }

  integer(id: number, value: number | bigint): Own {
    const last = this.#of(id).at(-1);
    const known = last === undefined ? 0n : this.#integerIn(last);
    if (known === BigInt(value)) return this.kept(id);
    return {
      id,
      write: () => {
        writeInt64(this.#w.uint32(tagOf(id, VARINT)), value);
      },
    };
  }

  #integerIn({ content }: Field): bigint {
    const r = readerOf(this.#source ?? new Uint8Array(0));
    r.pos = content;
    return BigInt(int64(r));
  }

  /** Numbers, one by one. */
  numbers(id: number, type: "int64" | "float", values: readonly (number | bigint)[]): Own {
    return {
      id,
      write: () => {
        for (const value of values) {
          if (type === "float") this.#w.uint32(tagOf(id, FIXED32)).float(Number(value));
          else writeInt64(this.#w.uint32(tagOf(id, VARINT)), value);
        }
      },
    };
  }

  bytes(id: number, values: readonly Uint8Array[]): Own {
    return {
      id,
      write: () => {
        for (const value of values) this.#w.uint32(tagOf(id, BYTES)).bytes(value);
      },
    };
  }

  /** Messages inside, each written by `write`. */
  nested<T>(id: number, items: Iterable<T>, write: (item: T, message: Message, index: number) => void): Own {
    return {
      id,
      write: () => {
        let index = 0;
        for (const item of items) {
          this.#w.uint32(tagOf(id, BYTES)).fork();
          write(item, this, index++);
          this.#w.ldelim();
        }
      },
    };
  }

  /** Whether a repeated field consists of just these messages, by the bytes that they were imported from. */
  holds(id: number, messages: readonly (Uint8Array | undefined)[]): boolean {
    const source = this.#source;
    const fields = this.#of(id);
    if (source === undefined) return messages.length === 0;
    return (
      fields.length === messages.length &&
      fields.every(({ content, end }, i) => {
        const message = messages[i];
        return (
          message?.buffer === source.buffer &&
          message.byteOffset === source.byteOffset + content &&
          message.length === end - content
        );
      })
    );
  }

  opsets(id: number, opsets: ReadonlyMap<string, number>): Own {
    const known = this.#of(id).map((field) => this.#opsetIn(field));
    const same =
      new Set(known.map(([domain]) => domain)).size === opsets.size &&
      known.every(([domain, version]) => opsets.get(domain) === version);
    if (same) return this.kept(id);
    return this.nested(id, opsets, ([domain, version]) => {
      this.#string(ENTRY.key, domain);
      writeInt64(this.#w.uint32(tagOf(ENTRY.value, VARINT)), version);
    });
  }

  #opsetIn({ content, end }: Field): readonly [string, number] {
    const bytes = this.#source?.subarray(content, end) ?? new Uint8Array(0);
    let [domain, version] = ["", 0];
    const r = readerOf(bytes);
    for (const field of fieldsIn(bytes)) {
      r.pos = field.content;
      if (field.id === ENTRY.key && field.wire === BYTES)
        domain = Buffer.from(bytes.subarray(field.content, field.end)).toString("utf8");
      if (field.id === ENTRY.value && field.wire === VARINT) version = int64(r);
    }
    return [domain, version];
  }

  /** StringStringEntryProtos. */
  entries(id: number, entries: ReadonlyMap<string, string>): Own {
    const known = new Map(this.entriesIn(id).map(({ key = "", value = "" }) => [key, value] as const));
    const same =
      known.size === entries.size && [...entries].every(([key, value]) => known.get(key) === value);
    if (same) return this.kept(id);
    return this.nested(id, entries, ([key, value]) => {
      this.#string(ENTRY.key, key);
      this.#string(ENTRY.value, value);
    });
  }

  entriesIn(id: number): readonly Entry[] {
    const source = this.#source;
    if (source === undefined) return [];
    const r = readerOf(source);
    return this.#of(id)
      .filter(({ wire }) => wire === BYTES)
      .map(({ content, end }) => {
        r.pos = content;
        return readEntry(r, end);
      });
  }
}

function writeInt64(w: Writer, value: number | bigint): void {
  if (typeof value === "number" && value >= 0 && value < 2 ** 31) {
    w.uint32(value);
    return;
  }
  const bits = BigInt.asUintN(64, BigInt(value));
  w.uint64({
    low: Number(BigInt.asIntN(32, bits)),
    high: Number(BigInt.asIntN(32, bits >> 32n)),
    unsigned: true,
  });
}
