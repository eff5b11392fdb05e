/**
 * How a graph keeps keys and values from step to step: `concat`, a past and a present that is longer by what is new;
 * `shared`, one buffer of a fixed length for both, into which new ones are written.
 */
export const kvForms = ["concat", "shared"] as const;

/** See {@link kvForms}. */
export type KvForm = (typeof kvForms)[number];

/** The key of a model's metadata that says how many positions its shared caches hold. */
export const KV_LENGTH_KEY = "tfc.kv.max_length";
