/** The key of a model's metadata that says how many products hold several projections each, by `pack`. */
export const PACKED_KEY = "tfc.packed";
