import { quoted } from "./file.ts";
import { globalOf } from "./globals.ts";
import { checkNumpyState, exactNumber } from "./numpy.ts";
import { PickleMachine } from "./pickle-machine.ts";
import { describe, Maker, NumpyType, type Call, type Pickled } from "./pickled.ts";
import { OrderedDict } from "./value.ts";

/** Characters of a key. */
const KEY_LIMIT = 4096;

/** The opcode that ends a pickle. */
const STOP = 0x2e;

/** Finds what a persistent id stands for: a pickle's way to name bytes that lie beside it. */
export type Persistent = (id: Pickled, call: Call) => Pickled;

/**
 * Reads a pickle as data. Opcodes, and the globals that they name, are those of a list; the rest is refused when it
 * is met, before anything is made of it. No Python runs, and no code that the pickle names.
 *
 * @throws TfcError TORCH_FORBIDDEN for a global or opcode that is not data; TORCH_INVALID for a broken pickle;
 *   TORCH_UNSUPPORTED for one above a limit, or with values that there is no form for
 */
export function unpickle(file: string, bytes: Uint8Array, persistent: Persistent): Pickled {
  const machine = new PickleMachine(file, bytes);
  for (;;) {
    const opcode = machine.nextOpcode();
    if (opcode === STOP) return machine.result();
    const value = values.get(opcode);
    if (value !== undefined) machine.push(value(machine, persistent));
    else if (!change(machine, opcode)) {
      throw machine.invalid(`an opcode ${hex(opcode)} that torch.save does not write`);
    }
  }
}

type ValueOf = (m: PickleMachine, persistent: Persistent) => Pickled;

/** Opcodes that put one value on the stack. */
const values: ReadonlyMap<number, ValueOf> = new Map<number, ValueOf>([
  [0x4e, () => null], // NONE
  [0x88, () => true], // NEWTRUE
  [0x89, () => false], // NEWFALSE
  [0x4a, (m) => m.int32()], // BININT
  [0x4b, (m) => m.byte()], // BININT1
  [0x4d, (m) => m.uint16()], // BININT2
  [0x8a, (m) => exactNumber(m.long(m.byte()))], // LONG1
  [0x47, (m) => m.double()], // BINFLOAT
  [0x8c, (m) => m.text(m.byte())], // SHORT_BINUNICODE
  [0x58, (m) => m.text(m.uint32())], // BINUNICODE
  [0x8d, (m) => m.text(m.uint64())], // BINUNICODE8
  [0x43, (m) => m.object(m.bytes(m.byte()))], // SHORT_BINBYTES
  [0x42, (m) => m.object(m.bytes(m.uint32()))], // BINBYTES
  [0x8e, (m) => m.object(m.bytes(m.uint64()))], // BINBYTES8
  [0x96, (m) => m.object(m.bytes(m.uint64()))], // BYTEARRAY8
  [0x5d, (m) => m.object([])], // EMPTY_LIST
  [0x8f, (m) => m.object([])], // EMPTY_SET
  [0x7d, (m) => m.object(new Map<Pickled, Pickled>())], // EMPTY_DICT
  [0x29, (m) => tuple(m, [])], // EMPTY_TUPLE
  [0x85, (m) => tuple(m, popped(m, 1))], // TUPLE1
  [0x86, (m) => tuple(m, popped(m, 2))], // TUPLE2
  [0x87, (m) => tuple(m, popped(m, 3))], // TUPLE3
  [0x74, (m) => tuple(m, m.popToMark())], // TUPLE
  [0x91, (m) => tuple(m, m.popToMark())], // FROZENSET
  [0x68, (m) => m.recall(m.byte())], // BINGET
  [0x6a, (m) => m.recall(m.uint32())], // LONG_BINGET

  // What could be more than data.
  [0x63, (m) => global(m, m.line(), m.line())], // GLOBAL
  [0x93, stackGlobal], // STACK_GLOBAL
  [0x52, reduce], // REDUCE
  [0x51, (m, persistent) => m.object(persistent(m.pop(), m))], // BINPERSID
  [0x81, (m) => refuseNew(m, "NEWOBJ", popped(m, 2))],
  [0x92, (m) => refuseNew(m, "NEWOBJ_EX", popped(m, 3))],
  [0x6f, (m) => refuseNew(m, "OBJ", m.popToMark())],
  [0x69, (m) => refuse(m, `an object of ${nameOf(m.line(), m.line())} (INST)`)],
  [0x50, (m) => refuse(m, `the persistent id ${quoted(m.line())} (PERSID)`)],
  [0x82, (m) => refuse(m, `the extension ${m.byte()} (EXT1)`)],
  [0x83, (m) => refuse(m, `the extension ${m.uint16()} (EXT2)`)],
  [0x84, (m) => refuse(m, `the extension ${m.int32()} (EXT4)`)],
]);

/** Carries out an opcode that changes something instead; false for one that there is none of. */
function change(m: PickleMachine, opcode: number): boolean {
  switch (opcode) {
    case 0x80: // PROTO
      protocol(m);
      break;
    case 0x95: // FRAME
      m.checkLeft(m.uint64());
      break;
    case 0x28: // MARK
      m.mark();
      break;
    case 0x61: // APPEND
      append(m, popped(m, 1));
      break;
    case 0x65: // APPENDS
    case 0x90: // ADDITEMS
      append(m, m.popToMark());
      break;
    case 0x73: // SETITEM
      setItems(m, popped(m, 2));
      break;
    case 0x75: // SETITEMS
      setItems(m, m.popToMark());
      break;
    case 0x71: // BINPUT
      m.remember(m.byte());
      break;
    case 0x72: // LONG_BINPUT
      m.remember(m.uint32());
      break;
    case 0x94: // MEMOIZE
      m.remember();
      break;
    case 0x62: // BUILD
      build(m);
      break;
    default:
      return false;
  }
  return true;
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}

function protocol(m: PickleMachine): void {
  const version = m.byte();
  if (version < 2 || version > 5) throw m.unsupported(`pickle protocol ${version}, not 2 to 5`);
}

/** Takes several values; the one that was pushed last comes last. */
function popped(m: PickleMachine, count: number): Pickled[] {
  return Array.from({ length: count }, () => m.pop()).reverse();
}

function tuple(m: PickleMachine, items: Pickled[]): Pickled {
  return m.object(Object.freeze(items) as Pickled[]);
}

function append(m: PickleMachine, items: readonly Pickled[]): void {
  const list = m.top();
  if (!Array.isArray(list) || Object.isFrozen(list)) {
    throw m.invalid(`items for ${describe(list)}, not for a list`);
  }
  for (const item of items) list.push(item);
}

function setItems(m: PickleMachine, items: readonly Pickled[]): void {
  const dict = m.top();
  if (!(dict instanceof Map)) throw m.invalid(`keys for ${describe(dict)}, not for a dict`);
  if (items.length % 2 !== 0) throw m.invalid("a key without a value");
  for (let i = 0; i < items.length; i += 2) {
    const [key = null, value = null] = [items[i], items[i + 1]];
    checkKey(m, key);
    dict.set(key, value);
  }
}

function checkKey(m: PickleMachine, key: Pickled): void {
  if (key instanceof Map || (Array.isArray(key) && !Object.isFrozen(key))) {
    throw m.invalid(`${describe(key)} as a key`);
  }
  // JavaScript hashes the beginning of a bigint, and of a long text its length: many such keys would take for ever.
  if (typeof key === "bigint" || (typeof key === "string" && key.length > KEY_LIMIT)) {
    throw m.unsupported(
      `a key of ${typeof key === "bigint" ? "more than 53 bits" : `${key.length} characters`}`,
    );
  }
}

function nameOf(module: string, name: string): string {
  const full = `${module}.${name}`;
  // A name of other letters could pretend to be something else in a message.
  return /^[\w.]{1,200}$/.test(full) ? full : quoted(full);
}

function global(m: PickleMachine, module: string, name: string): Pickled {
  const meaning = globalOf(module, name);
  if (meaning === undefined) throw m.forbidden(`the global ${nameOf(module, name)}`);
  return meaning;
}

function stackGlobal(m: PickleMachine): Pickled {
  const [module = null, name = null] = popped(m, 2);
  if (typeof module !== "string" || typeof name !== "string") {
    throw m.invalid(`a global named by ${describe(module)} and ${describe(name)}`);
  }
  return global(m, module, name);
}

function reduce(m: PickleMachine): Pickled {
  const [maker = null, args = null] = popped(m, 2);
  if (!(maker instanceof Maker)) throw m.forbidden(`a call of ${describe(maker)} (REDUCE)`);
  if (!Array.isArray(args) || !Object.isFrozen(args)) {
    throw m.invalid(`a call of ${maker.name} with ${describe(args)}, not with a tuple`);
  }
  return m.object(maker.make(args, m));
}

/** Gives an object its state, which two of them have: neither is more than the value it already is. */
function build(m: PickleMachine): void {
  const state = m.pop();
  const target = m.top();
  if (target instanceof NumpyType) {
    checkNumpyState(state, m);
    return;
  }
  // What `state_dict()` notes beside the tensors: the versions of the modules' code.
  const isNoted = target instanceof OrderedDict && state instanceof Map;
  if (!isNoted) throw m.forbidden(`a state for ${describe(target)} (BUILD)`);
}

function refuseNew(m: PickleMachine, opcode: string, [type = null]: readonly Pickled[]): never {
  throw m.forbidden(`an object of ${describe(type)} (${opcode})`);
}

function refuse(m: PickleMachine, what: string): never {
  throw m.forbidden(what);
}
