/** The flags of `tfc compile` that set a pass's options; an option that is not here follows from the model and what is loaded. */
export const passFlags: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "remove-lora": { given: "--load" },
  "fix-batch": { batch: "--batch" },
  "override-weights": { overrides: "--load" },
  "convert-dtype": { dtype: "--dtype", ioDtype: "--io-dtype", provider: "--for" },
  "pack-projections": { except: "--replace" },
  "quantize-weights": { settings: "--quantize, --block, --symmetric", provider: "--for" },
  "lower-attention": { provider: "--for", kv: "--kv", maxLength: "--max-length" },
  "last-logits": { by: "--last-logits, --logit-rows" },
  "train-base": { weights: "--train-base", except: "--replace", fresh: "--from-scratch", seed: "--seed" },
  "replace-linears": { entries: "--replace", seed: "--seed", given: "--load", trains: "--train" },
  "inject-adapters": {
    ...{ entries: "--adapter, --sites", seed: "--seed", residence: "--adapters", members: "--members" },
    ...{ given: "--load", trains: "--train" },
  },
  differentiate: { memory: "--memory" },
  adamw: { accumulate: "--accumulate" },
};
