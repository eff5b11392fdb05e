import { join } from "node:path";
import { Sink } from "../../dist/compiler/diagnostics/sink.js";
import { emitModel } from "../../dist/compiler/onnx/emit.js";
import { writePieces } from "../../dist/compiler/onnx/output.js";
import { runPasses, step } from "../../dist/compiler/pass/runner.js";
import { parseModel } from "../../dist/compiler/text/parse.js";
import { lowerPagedAttention } from "../../dist/passes/index.js";

/** Positions of a block: what the kernel of onnxruntime 1.30 asks for. */
export const BLOCK = 256;

/**
 * One paged attention: as the op, and in standard ops as `--lower-paged-attention` writes it, also in float32.
 *
 * @param sizes `{ heads, kvHeads, headDim }`
 */
export function writePaged(folder, sizes) {
  const graph = (dtype, isLowered) => {
    const model = parseModel(text(sizes, dtype));
    if (isLowered) runPasses(model, [step(lowerPagedAttention)], new Sink());
    const file = join(folder, `paged-${dtype}-${isLowered ? "lowered" : "op"}.onnx`);
    writePieces(file, emitModel(model).pieces);
    return file;
  };
  return {
    op: graph("float16", false),
    lowered: graph("float16", true),
    reference: graph("float", true),
    ...sizes,
    block: BLOCK,
  };
}

function text({ heads, kvHeads, headDim }, dtype) {
  const cache = `${dtype}[blocks,${BLOCK},${kvHeads},${headDim}]`;
  const [queries, keys] = [heads, kvHeads].map((count) => `${dtype}[tokens,${count * headDim}]`);
  return `<ir_version: 10, opset_import: ["" : 20, "com.microsoft" : 1]>
paged (
  ${queries} query, ${keys} key, ${keys} value, ${cache} key_cache, ${cache} value_cache,
  int32[ends] cumulative_sequence_length, int32[rows] past_seqlens, int32[rows,row_blocks] block_table
) => (${queries} output, ${cache} key_cache_out, ${cache} value_cache_out) {
  output, key_cache_out, value_cache_out = com.microsoft.PagedAttention <num_heads = ${heads}, kv_num_heads = ${kvHeads}, scale = ${(1 / Math.sqrt(headDim)).toPrecision(8)}> (
    query, key, value, key_cache, value_cache, cumulative_sequence_length, past_seqlens, block_table
  )
}`;
}
