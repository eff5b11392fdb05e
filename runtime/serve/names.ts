import path from "node:path";
import { inputError } from "../../compiler/diagnostics/error.ts";
import type { Model } from "../model/types.ts";
import { invalid } from "./failure.ts";

/** The models that a server has, by name: the base and its adapters. */
export class Names {
  readonly base: string;
  readonly #model: Model;

  /** @throws TfcError SERVE_NAME where an adapter has the base's name */
  constructor(model: Model, name: string | undefined) {
    this.base = name ?? nameOf(model.file);
    this.#model = model;
    if (model.adapters.names.includes(this.base)) throw inputError("SERVE_NAME", {}, { name: this.base });
  }

  /** The base first. */
  get all(): readonly string[] {
    return [this.base, ...this.#model.adapters.names];
  }

  /** @throws Failure 404 */
  check(name: string): void {
    if (this.all.includes(name)) return;
    const message = `The model ${JSON.stringify(name.slice(0, 200))} does not exist; /v1/models lists those that do.`;
    throw invalid(message, "model_not_found", "model", 404);
  }

  /** The adapter of a model; none for the base. @throws Failure 404 */
  adapterOf(name: string): { readonly adapter?: string } {
    this.check(name);
    return name === this.base ? {} : { adapter: name };
  }
}

/** Names of files that say nothing of the model in them. */
const COMMON = /^(?:(?:decoder_)?model(?:_merged|_q4|_quantized|_fp16)?|decoder_with_past_model)$/;

/** A model's name: its file's without extensions, or its folder's where every model's file is called so. */
export function nameOf(file: string): string {
  const whole = path.resolve(file);
  const stem = path.basename(whole).replace(/(?:\.tfc)?\.onnx$/, "");
  return (COMMON.test(stem) ? path.basename(path.dirname(whole)) : stem) || "model";
}
