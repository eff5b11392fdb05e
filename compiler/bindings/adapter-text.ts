/**
 * What a module of bindings has for adapters that are inputs: $GIVEN is the type of those that are given, and $LEFT_OUT
 * a sentence about the others.
 */
const ADAPTER_TEXT = `type AdapterInputName = {
  [Name in Slot]: \`\${Name}.\${keyof Adapters[Name] & string}\`;
}[Slot];

/** The inputs that are adapters. */
export type AdapterInputs = Pick<Inputs, Extract<AdapterInputName, InputName>>;

type SlotRow = readonly [
  slot: string,
  parts: readonly (string | readonly [name: string, neutral: number])[],
  isSizable: boolean,
  numbers?: readonly number[],
];

/**
 * Makes inputs of adapters, to be given with a run's other inputs.$LEFT_OUT
 *
 * @throws TypeError of places that the graph has not, and of adapters with parts missing
 */
export function adapterInputs(
  Tensor: TensorClass,
  adapters: $GIVEN,
): AdapterInputs {
  const given = new Map<string, object>(Object.entries(adapters));
  const made: Record<string, unknown> = {};
  for (const [place, parts, isSizable, numbers] of slotTable)
    for (const number of numbersIn(numbers)) {
      const slot = numbered(place, number);
      const adapter = given.get(slot);
      given.delete(slot);
      if (adapter === undefined && !isSizable)
        throw new TypeError(\`no adapter for "\${slot}", whose size is fixed\`);
      for (const part of parts) {
        const [name, neutral] = typeof part === "string" ? [part] : part;
        const port = ports.get(\`\${slot}.\${name}\`);
        if (port === undefined || (adapter === undefined && port.isOptional))
          continue;
        const values =
          adapter === undefined
            ? emptyOf(port, neutral)
            : new Map<string, Partial<Values<keyof Elements>>>(
                Object.entries(adapter),
              ).get(name);
        if (values?.dims === undefined)
          throw new TypeError(\`the adapter of "\${slot}" has no "\${name}"\`);
        made[port.name] = construct(
          Tensor,
          port.type ?? "",
          values.data,
          values.dims,
        );
      }
    }
  for (const slot of given.keys())
    throw new TypeError(\`the graph takes no adapter at "\${slot}"\`);
  return made as unknown as AdapterInputs;
}

/** What stands for no adapter: leaves of size zero, and numbers that they are not changed by. */
function emptyOf({ type, dims }: Port, neutral?: number) {
  const sizes = (dims ?? []).map((dim) => (typeof dim === "number" ? dim : 0));
  const count = sizes.reduce((product, size) => product * size, 1);
  const Elements =
    type === "float16"
      ? Uint16Array
      : type === "float64"
        ? Float64Array
        : Float32Array;
  return { dims: sizes, data: new Elements(count).fill(neutral ?? 0) };
}
`;

/** What makes inputs of adapters. @param leavesOut whether places may be left without an adapter */
export function adapterInputsText(leavesOut: boolean): string {
  const leftOut = leavesOut ? " Places that are left out are without an\n * adapter, as in the base." : "";
  return ADAPTER_TEXT.replace("$LEFT_OUT", leftOut).replace(
    "$GIVEN",
    leavesOut ? "Partial<Adapters>" : "Adapters",
  );
}

/** What makes the input that chooses a bank's adapters. */
export const MEMBER_TEXT = `/** Chooses a bank's adapter for each row: by name, or null for none. */
export function memberIds(
  Tensor: TensorClass,
  names: readonly (Member | null)[],
): Int64 {
  const ids = names.map((name) => {
    const id = name === null ? -1 : members.indexOf(name);
    if (id < 0 && name !== null)
      throw new TypeError(\`the bank has no adapter "\${name}"\`);
    return BigInt(id);
  });
  const data = BigInt64Array.from(ids);
  return construct(Tensor, "int64", data, [ids.length]) as Int64;
}
`;
