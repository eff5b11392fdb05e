import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import { openModel } from "../../../compiler/onnx/open.ts";
import { placementOf } from "../../../compiler/ops/placement/placement.ts";
import { placeOnWebgpu, webgpuObstacle } from "./webgpu-provider.ts";

const root = resolve(import.meta.dirname, "../../../samples/models");
const samples = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((file) => /[/\\]model\.onnx$/.test(file))
  .sort();

const obstacle = webgpuObstacle(join(root, samples[0] ?? ""));
const title = obstacle === null ? "" : ` (SKIPPED, ${obstacle})`;

function counts(ops: readonly string[]): Readonly<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const op of [...ops].sort()) found[op] = (found[op] ?? 0) + 1;
  return found;
}

/** Ops that there are more or fewer of once transposes have been moved through them. */
const MOVED = ["Transpose", "Gather", "Cast"];

/** What tfc says and what onnxruntime does, in the same words; onnxruntime names ops without their domains. */
function compared(file: string) {
  const placement = placementOf(openModel(file, new Sink()).model, "webgpu");
  if (placement === null) throw new Error(`${file} is too large`);
  const placed = placeOnWebgpu(file);
  const on = (provider: string | null): readonly string[] =>
    placement.nodes.filter((one) => one.provider === provider).map(({ node }) => node.node.opType);
  // A model with a node that nobody runs is refused.
  if (typeof placed === "string")
    return { said: on(null).length > 0, does: /Provider type for \w+ node|Could not find/.test(placed) };
  if (placed.all !== null) return { said: [on("webgpu").length, on("cpu").length], does: [placed.all, 0] };
  const isCompared = (op: string): boolean =>
    !op.startsWith("Memcpy") && !(placed.isMoved && MOVED.includes(op));
  const shown = (webgpu: readonly string[], cpu: readonly string[], copies: object) => ({
    ...{ webgpu: counts(webgpu.filter(isCompared)), cpu: counts(cpu.filter(isCompared)), copies },
  });
  const { copies } = placement;
  const copied = { MemcpyFromHost: copies.in.length, MemcpyToHost: copies.out.length };
  const does = placed.webgpu.filter((op) => op.startsWith("Memcpy"));
  return {
    said: shown(on("webgpu"), on("cpu"), copied),
    does: shown(placed.webgpu, placed.cpu, { MemcpyFromHost: 0, MemcpyToHost: 0, ...counts(does) }),
  };
}

(obstacle === null ? describe : describe.skip)(
  `what is predicted is what onnxruntime's WebGPU provider takes${title}`,
  () => {
    it.each(samples)("%s", (sample) => {
      const { said, does } = compared(join(root, sample));
      expect(said).toEqual(does);
    });
  },
);
