import { placeOf } from "../../../compiler/diagnostics/diagnostic.ts";
import { passError } from "../../../compiler/diagnostics/error.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { pagedOperands, type PagedForm } from "./_paged-attention.ts";

/** A node as the function takes it: operands in the places of {@link pagedOperands}. */
export interface PagedOperation {
  readonly operands: readonly (Value | null)[];
  readonly form: PagedForm;
}

/** Reads `com.microsoft::PagedAttention`. */
export function contribOperation(node: Node, pass: string): PagedOperation {
  refuseFeatures(node, pass);
  const operands = pagedOperands.map((_, i) => node.input(i));
  const isPacked = node.input(1) === null;
  requireOperands(node, pass, operands, isPacked ? [0, 3, 4, 5, 6, 7] : [0, 1, 2, 3, 4, 5, 6, 7]);
  const isRotary = node.int("do_rotary") === 1;
  if (isRotary) requireOperands(node, pass, operands, [8, 9]);
  const interleaved = node.int("rotary_interleaved") === 1;
  const form = formOf(node, pass, operands, isPacked);
  return { operands, form: { ...form, rotary: isRotary ? (interleaved ? "pairs" : "halves") : null } };
}

/**
 * Reads `vllm::unified_attention`. The op has no schema: these are its operands where the tracer was given the
 * caches and tables as values, `slot_mapping` being the last and optional.
 */
export function opaqueOperation(node: Node, pass: string): PagedOperation {
  const [first, slots] = [node.inputs.slice(0, 8), node.input(8)];
  if (node.inputs.length > 9) throw unsupported(node, pass, "at most 9 operands", `${node.inputs.length}`);
  const operands = [...first, null, null, slots];
  requireOperands(node, pass, operands, [0, 1, 2, 3, 4, 5, 6, 7]);
  return { operands, form: formOf(node, pass, operands, false) };
}

function formOf(node: Node, pass: string, operands: readonly (Value | null)[], isPacked: boolean): PagedForm {
  const heads = node.int("num_heads");
  const kvHeads = node.int("kv_num_heads") ?? node.int("num_kv_heads");
  if (heads === undefined || kvHeads === undefined || kvHeads < 1 || heads % kvHeads !== 0) {
    const found = `${heads ?? "none"} and ${kvHeads ?? "none"}`;
    throw unsupported(node, pass, "num_heads, a multiple of kv_num_heads", found);
  }
  const [scale, softcap] = [node.float("scale") ?? 0, node.float("softcap") ?? 0];
  const window = node.int("local_window_size") ?? -1;
  return {
    heads,
    kvHeads,
    scale: scale === 0 ? null : scale,
    window: window < 0 ? null : window,
    softcap: softcap > 0 ? softcap : null,
    isCausal: (node.int("is_causal") ?? 1) !== 0,
    isPacked,
    rotary: null,
    hasSlots: (operands[10] ?? null) !== null,
  };
}

function requireOperands(
  node: Node,
  pass: string,
  operands: readonly (Value | null)[],
  needed: readonly number[],
): void {
  const missing = needed.find((i) => (operands[i] ?? null) === null);
  if (missing === undefined) return;
  const names = needed.map((i) => pagedOperands[i] ?? "").join(", ");
  throw unsupported(node, pass, `the operands ${names}`, `no ${pagedOperands[missing] ?? ""}`);
}

/** Operands and attributes of later versions of the op that change what it computes. */
function refuseFeatures(node: Node, pass: string): void {
  const inputs = ["head_sink", "q_norm_weight", "k_norm_weight", "k_scale", "v_scale"];
  const at = inputs.findIndex((_, i) => node.input(pagedOperands.length + i) !== null);
  if (at >= 0) throw unsupported(node, pass, "none of the operands behind slot_mapping", inputs[at] ?? "");
  const plain = { kv_cache_layout: "SEPARATE", k_quant_type: "NONE", v_quant_type: "NONE" };
  for (const [name, value] of Object.entries(plain)) {
    const found = node.string(name) ?? value;
    if (found !== value) throw unsupported(node, pass, `${name} ${value}`, found);
  }
  for (const name of ["rotary_offset", "v_head_size"]) {
    const found = node.int(name) ?? 0;
    if (found !== 0) throw unsupported(node, pass, `${name} 0`, String(found));
  }
}

/** The error of paged attention that is not understood. */
export function unsupported(node: Node, pass: string, wanted: string, found: string): Error {
  const place = { ...placeOf(node), pass };
  return passError("PAGED_ATTENTION_UNSUPPORTED", place, { op: node.op, wanted, found });
}
