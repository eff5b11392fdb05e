import path from "node:path";
import { fromHalf } from "../../../compiler/weights/half.ts";
import { adapterFeeds, noAdapter } from "../../../runtime/adapters/feeds.ts";
import { adapterInterface } from "../../../runtime/adapters/ports.ts";
import { makeFeeds } from "../../../runtime/session/feeds.ts";
import { openSession, type Session } from "../../../runtime/session/session.ts";
import { tensorFrom, type Tensors } from "../../../runtime/session/tensor.ts";
import { storedTensor } from "../../runtime/oracle.ts";
import { farthest, numbersIn } from "./one-call.ts";

/** A folder that PEFT saved, with PyTorch's logits beside it (samples/export/peft_variants.py). */
export function oracle(name: string): string {
  return path.join(import.meta.dirname, "peft", name);
}

/** What a graph with adapters as inputs is fed with for an adapter, or for none. */
export async function feedsFor(file: string, adapter: string | null): Promise<Tensors> {
  const session = await openSession(file);
  const feeds =
    adapter === null ? noAdapter(adapterInterface(file, session.inputs)) : adapterFeeds(session, adapter);
  await session.close();
  return feeds;
}

/** The farthest number of a graph's logits from another one's, for the tokens of an oracle. */
export async function apartFrom(file: string, other: string, name: string, more: Tensors): Promise<number> {
  const [got, want] = [await logitsOf(file, name, more), await logitsOf(other, name, new Map())];
  return farthest(got, want);
}

async function logitsOf(file: string, name: string, more: Tensors): Promise<readonly number[]> {
  const session = await openSession(file);
  const logits = (await session.run(feedsOf(session, name, more), ["logits"])).get("logits");
  await session.close();
  if (logits === undefined) throw new Error("no logits");
  const numbers = numbersIn(logits);
  return logits.dtype === "float16" ? numbers.map(fromHalf) : numbers;
}

function feedsOf(session: Session, name: string, more: Tensors): Tensors {
  const ids = storedTensor(path.join(oracle(name), "reference.safetensors"), "input_ids");
  const [batch = 0, sequence = 0] = ids.dims;
  const symbols = new Map([["kv_cache_dim", 16]]);
  const usual = makeFeeds(session, { batch, sequence, past: 0 }, { symbols });
  // What a graph takes of adapters is made up by nobody.
  const ports = adapterInterface(session.file, session.inputs).ports.map(({ port }) => port.name);
  const own = [...usual].filter(([input]) => !ports.includes(input));
  return new Map([...own, ["input_ids", ids] as const, ...more]);
}

/** The member of a bank for each row. */
export function memberIds(...members: readonly number[]): Tensors {
  return new Map([["adapter_ids", tensorFrom("int64", [members.length], (i) => members[i] ?? 0)]]);
}
