import { dtypeNumber } from "../ir/dtype.ts";
import type { Tensor } from "../ir/tensor.ts";
import { Message, type Own } from "./emit-fields.ts";
import { TENSOR } from "./ids.ts";
import { RANGE, rangeBytes } from "./skeleton.ts";
import { sourceNumber } from "./source.ts";
import type { Writer } from "./wire.ts";

/** TensorProto.DataLocation.EXTERNAL */
const EXTERNAL = 1;

/**
 * Writes a TensorProto's fields.
 *
 * @param name an initializer's; a tensor of an attribute keeps what it has
 */
export function emitTensor(w: Writer, tensor: Tensor, name?: string): void {
  const message = new Message(w, tensor.source);
  const own: Own[] = [name === undefined ? message.kept(TENSOR.name) : message.text(TENSOR.name, name)];
  if (tensor.source === undefined) {
    own.push(message.numbers(TENSOR.dims, "int64", tensor.shape));
    own.push(message.integer(TENSOR.dataType, dtypeNumber(tensor.dtype)));
  }
  if (!tensor.isAsImported) own.push(...dataOf(message, tensor));
  message.write(own.sort((a, b) => a.id - b.id));
}

const typedFields = [
  TENSOR.floatData,
  TENSOR.int32Data,
  TENSOR.stringData,
  TENSOR.int64Data,
  TENSOR.doubleData,
  TENSOR.uint64Data,
];

/** The fields that hold a tensor's data, or say where they are. */
function dataOf(message: Message, tensor: Tensor): Own[] {
  const { storage } = tensor;
  if (storage.kind === "external")
    return [
      ...removed(message, typedFields),
      ...removed(message, [RAW, RANGE]),
      ...external(message, storage),
    ];
  const inline = removed(message, [TENSOR.externalData, TENSOR.dataLocation]);
  if (storage.kind === "strings") {
    const fields = typedFields.filter((id) => id !== TENSOR.stringData);
    return [
      ...removed(message, [...fields, RAW, RANGE]),
      message.bytes(TENSOR.stringData, storage.strings),
      ...inline,
    ];
  }
  const others = removed(message, typedFields);
  if (storage.kind !== "inline")
    return [...others, ...removed(message, [RANGE]), message.bytes(RAW, [tensor.bytes()]), ...inline];
  const { file, offset, length } = storage.range;
  const range = rangeBytes({ file: sourceNumber(file), offset, length });
  return [...others, ...removed(message, [RAW]), message.bytes(RANGE, [range]), ...inline];
}

const RAW = TENSOR.rawData;

function removed(message: Message, ids: readonly number[]): Own[] {
  return ids.map((id) => message.without(id));
}

function external(
  message: Message,
  { location, range, entries }: Extract<Tensor["storage"], { kind: "external" }>,
): Own[] {
  const old = new Map(message.entriesIn(TENSOR.externalData).map((e) => [e.key, e.value]));
  const isSame =
    old.get("location") === location && (range === null || Number(old.get("offset") ?? 0) === range.offset);
  const fresh: readonly (readonly [string, string])[] =
    entries !== undefined || range === null
      ? (entries ?? [{ key: "location", value: location }]).map(({ key = "", value = "" }) => [key, value])
      : [
          ["location", location],
          ["offset", String(range.offset)],
          ["length", String(range.length)],
        ];
  return [
    isSame ? message.kept(TENSOR.externalData) : message.entries(TENSOR.externalData, new Map(fresh)),
    message.integer(TENSOR.dataLocation, EXTERNAL),
  ];
}
