import { inputError } from "../../compiler/diagnostics/error.ts";
import { roleOf } from "../session/roles.ts";
import type { Port, Tensors } from "../session/tensor.ts";
import { adapterInterface, MEMBER_IDS, type AdapterInterface } from "./ports.ts";

/**
 * A check of the ids that are fed to a bank: each is a member or -1, and there is one for each row, or for each token
 * where tokens are flat. Without it a wrong id is an error deep in the graph, and one id for several rows serves all.
 * Does nothing for a graph without a bank.
 *
 * @throws TfcError ADAPTER_IDS_RANGE, ADAPTER_IDS_COUNT
 */
export function memberIdsCheck(file: string, inputs: readonly Port[]): (feeds: Tensors) => void {
  if (!inputs.some(({ name }) => name === MEMBER_IDS)) return () => undefined;
  // The file is read when ids are first fed: most graphs that run have no bank.
  let taken: AdapterInterface | undefined;
  return (feeds) => {
    const ids = feeds.get(MEMBER_IDS);
    if (ids === undefined) return;
    taken ??= adapterInterface(file, inputs);
    if (taken.ids === null) return;
    checkIds({ ids, tokens: tokensIn(feeds, inputs) }, taken.members, file);
  };
}

type Fed = NonNullable<ReturnType<Tensors["get"]>>;

function checkIds(
  { ids, tokens }: { readonly ids: Fed; readonly tokens: Fed | undefined },
  members: number,
  file: string,
): void {
  const place = { file, name: MEMBER_IDS };
  for (const value of ids.data) {
    const id = Number(value);
    if (!Number.isInteger(id) || id < -1 || id >= members)
      throw inputError("ADAPTER_IDS_RANGE", place, { members, found: String(value) });
  }
  const wanted = tokens?.dims[0];
  if (wanted === undefined || wanted === ids.data.length) return;
  const each = tokens?.dims.length === 1 ? "token" : "row";
  throw inputError("ADAPTER_IDS_COUNT", place, { each, wanted, found: ids.data.length });
}

/** Token ids, or the embeddings that take their place. */
function tokensIn(feeds: Tensors, inputs: readonly Port[]): Fed | undefined {
  const port = inputs.find((one) => roleOf(one) === "tokens" || /inputs?_embeds/.test(one.name));
  return port === undefined ? undefined : feeds.get(port.name);
}
