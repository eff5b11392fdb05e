import { expect } from "@jest/globals";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { openSession } from "../../runtime/session/session.ts";
import { zeros, type HostTensor, type Tensors } from "../../runtime/session/tensor.ts";
import { calls, feedsOf, isClose, type Call } from "./calls.ts";

/** Positions in the buffers: more than any call has tokens. */
export const LENGTH = 16;

/** How a graph with buffers is held against its base. */
interface Held {
  /** How far numbers may be apart. Default: what their type leaves. */
  readonly allowed?: number;
  /** Default: {@link calls}. */
  readonly asked?: readonly Call[];
}

/** Runs a decoder, and what was made of it with shared caches, on the same calls. */
export async function expectSame(
  base: string,
  lowered: string,
  { allowed, asked = calls }: Held = {},
): Promise<void> {
  const { model } = openModel(base, new Sink());
  const [one, other] = [
    await openSession(base, { optimizations: "off", threads: 1 }),
    await openSession(lowered, { optimizations: "off", threads: 1 }),
  ];
  try {
    for (const call of asked) {
      const feeds = feedsOf(model, call);
      const want = await one.run(feeds);
      const taken = new Set(other.inputs.map(({ name }) => name));
      // What holds no padding counts positions by itself.
      const own = new Map([...inBuffers(feeds)].filter(([name]) => taken.has(name)));
      const got = await other.run(own);
      for (const [output, tensor] of want) {
        const own = got.get(output);
        const seen = tensor.dims.length === 4 && own !== undefined ? cut(own, call.past + call.step) : own;
        expect([call, output, isClose(tensor, seen, call, allowed)]).toEqual([call, output, true]);
      }
    }
  } finally {
    await one.close();
    await other.close();
  }
}

/** Pasts at the front of buffers, behind which nothing may be read: it is NaN. */
function inBuffers(feeds: Tensors): Tensors {
  return new Map(
    [...feeds].map(([name, tensor]) => [
      name,
      name.includes("past") && tensor.dims.length === 4 ? resized(tensor, LENGTH, NaN) : tensor,
    ]),
  );
}

function cut(tensor: HostTensor, length: number): HostTensor {
  return resized(tensor, length, NaN);
}

/** With another length along the positions of `[rows, heads, positions, width]`. */
function resized({ dtype, dims, data }: HostTensor, length: number, rest: number): HostTensor {
  const [rows = 0, heads = 0, old = 0, width = 0] = dims;
  const elements = zeros(dtype, rows * heads * length * width);
  const nan = dtype === "float16" ? 0x7e00 : rest;
  for (let i = 0; i < elements.length; i++) {
    const [group, place] = [Math.floor(i / (length * width)), Math.floor(i / width) % length];
    const value = place < old ? data[(group * old + place) * width + (i % width)] : nan;
    (elements as Float32Array)[i] = Number(value);
  }
  return { dtype, dims: [rows, heads, length, width], data: elements };
}
