/** Running compiled graphs: sessions, adapters, verification, text. */
export { adapterFeeds, noAdapter } from "./adapter-feeds.ts";
export { AdapterPool, type PoolOptions } from "./adapter-pool.ts";
export { adapterInterface, type AdapterInterface, type AdapterPort } from "./adapter-ports.ts";
export { defaultCases, fitCases, type Skipped } from "./cases.ts";
export { compare, type Difference } from "./compare.ts";
export { Decoder } from "./decoder.ts";
export { devices, type Device, type Provider } from "./devices.ts";
export { caseText, type Case } from "./dims.ts";
export { makeFeeds, type FeedOptions, type Signature } from "./feeds.ts";
export { generate, generateText, type GenerateOptions } from "./generate.ts";
export { reportText } from "./report.ts";
export { sampler, type Sampler, type SamplingOptions } from "./sampling.ts";
export { openSession, type Session, type SessionOptions } from "./session.ts";
export type { Level, LevelReport, Worst } from "./tally.ts";
export type { ElementType, Elements, HostTensor, Port, Tensors } from "./tensor.ts";
export { loadTokenizer, type Tokenizer } from "./tokenizer.ts";
export { verify, type Report, type VerifyOptions } from "./verify.ts";
