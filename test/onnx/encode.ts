import { fieldsOf, type MessageName } from "../../compiler/onnx/schema.ts";

/** A message by the names of the schema; sub-messages are records. */
export type Plain = Readonly<Record<string, unknown>>;

type Field = ReturnType<typeof fieldsOf>[number];

/**
 * Writes a message as protobuf's own libraries do: fields in the order of their numbers, numbers packed where the
 * schema says so; and behind them `tail(name)`, the same for every message of a type. Independent of the encoder
 * that tfc uses.
 */
export function encodePlain(
  name: MessageName,
  message: Plain,
  tail: (name: MessageName) => readonly number[] = () => [],
): number[] {
  const unknown = Object.keys(message).find((key) => !fieldsOf(name).some((field) => field.name === key));
  if (unknown !== undefined) throw new Error(`${name} has no field ${unknown}`);
  const fields = [...fieldsOf(name)].sort((a, b) => a.id - b.id);
  const bytes = fields.flatMap((field) => {
    const value = message[field.name];
    if (value === undefined) return [];
    const values = field.repeated ? (value as readonly unknown[]) : [value];
    if (field.packed) {
      const packed = values.flatMap((one) => content(field, one, tail).bytes);
      return packed.length === 0 ? [] : [...varint(field.id * 8 + 2), ...varint(packed.length), ...packed];
    }
    return values.flatMap((one) => {
      const { wire, bytes: encoded } = content(field, one, tail);
      return [...varint(field.id * 8 + wire), ...(wire === 2 ? varint(encoded.length) : []), ...encoded];
    });
  });
  return [...bytes, ...tail(name)];
}

function content(
  field: Field,
  value: unknown,
  tail: (name: MessageName) => readonly number[],
): { wire: number; bytes: number[] } {
  switch (field.type) {
    case "int32":
    case "int64":
    case "uint64":
      return { wire: 0, bytes: varint(BigInt(value as number | bigint)) };
    case "float":
      return { wire: 5, bytes: [...new Uint8Array(Float32Array.of(value as number).buffer)] };
    case "double":
      return { wire: 1, bytes: [...new Uint8Array(Float64Array.of(value as number).buffer)] };
    case "string":
      return { wire: 2, bytes: [...Buffer.from(value as string)] };
    case "bytes":
      return { wire: 2, bytes: [...(value as Uint8Array)] };
    default:
      return { wire: 2, bytes: encodePlain(field.type as MessageName, value as Plain, tail) };
  }
}

/** A base-128 number; negative ones take ten bytes. */
export function varint(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest >= 128n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  return [...bytes, Number(rest)];
}
