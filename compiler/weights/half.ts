/** Half-precision numbers, for readers of weights and of results alike. */
export { fromHalf, toHalf } from "../ir/scalar.ts";
