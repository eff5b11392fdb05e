import path from "node:path";
import { compile } from "../../../compiler/compile/compile.ts";
import { type KindName } from "../../../compiler/adapters/index.ts";
import { type AdapterStore } from "../../../runtime/adapters/store.ts";
import { type Session } from "../../../runtime/session/session.ts";
import { type Tensors } from "../../../runtime/session/tensor.ts";
import { logitsOf, samples } from "../../models/adapted/logits.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { graphOf } from "../oracle.ts";

export const folder = temporaryFolder();
export const [plain, patterns, someLayers, savedModules] = [
  "plain",
  "patterns",
  "some-layers",
  "saved-modules",
].map((name) => path.join(samples, "peft", name)) as [string, string, string, string];
export const q = "model.layers.0.self_attn.q_proj";
export const all = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj";
let count = 0;
export const nextFile = (): string => path.join(folder, `${count++}.safetensors`);

/** Compiles the sample model with fresh adapters as inputs. */
export async function withInputs(kind: KindName, sites: string, settings: object): Promise<string> {
  const output = path.join(folder, String(count++), "model.onnx");
  await compile({
    input: graphOf("dynamo"),
    output,
    entries: [{ kind, sites, settings: { ...settings } }],
    residence: "inputs",
  });
  return output;
}

/** The logits of a prompt, and their bits. */
export async function bitsOf(session: Session, feeds: Tensors = new Map()): Promise<Buffer> {
  const { data } = await logitsOf(session, "elinor", feeds);
  if (!(data instanceof Float32Array)) throw new Error("no floats");
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

/** The same with an adapter of a store. */
export async function bitsWith(session: Session, store: AdapterStore, name: string | null): Promise<Buffer> {
  const lease = await store.lease(name);
  try {
    return await bitsOf(session, lease.feeds);
  } finally {
    lease.release();
  }
}
