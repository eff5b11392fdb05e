/** Running compiled graphs: sessions, adapters, verification, text. */
export { adapterFeeds, noAdapter, type AdapterGraph, type LeastSize } from "./adapters/feeds.ts";
export type { Lease } from "./adapters/lease.ts";
export { adapterInterface, type AdapterInterface, type AdapterPort } from "./adapters/ports.ts";
export type { BaseKnown, ReadOptions } from "./adapters/read.ts";
export { AdapterStore, type AddOptions, type AdapterSource, type StoreOptions } from "./adapters/store.ts";
export type { AdapterHost, AdapterLease, AdapterLender } from "./engine/adapters.ts";
export { defaultCases, fitCases, type Skipped } from "./verify/cases.ts";
export { compare, type Difference } from "./verify/compare.ts";
export {
  doctor,
  type DoctorReport,
  type Needed,
  type NodeState,
  type ProviderState,
} from "./doctor/doctor.ts";
export type { CudaReport } from "./doctor/cuda.ts";
export type { Driver, Gpu } from "./doctor/gpu.ts";
export { installCuda, type CudaInstalled, type InstallCudaOptions } from "./doctor/install/install-cuda.ts";
export type { Library } from "./doctor/libraries.ts";
export type { Disk, Memory } from "./doctor/machine.ts";
export type { Probe } from "./doctor/probe.ts";
export { devices, type Device, type Provider } from "./session/devices.ts";
export type { Feeds } from "./session/given.ts";
export { caseText, type Case } from "./session/dims.ts";
export { makeFeeds, type FeedOptions, type Signature } from "./session/feeds.ts";
export { loadModel } from "./model/load.ts";
export type {
  GenerateRequest,
  Generation,
  Message,
  Model,
  ModelOptions,
  Piece,
  Result,
  TokenLogprob,
} from "./model/types.ts";
export { serve, type Access, type ServeOptions, type Server, type Work } from "./serve/index.ts";
export { reportText } from "./verify/report.ts";
export { sampler, type Sampler, type SamplingOptions } from "./generate/sampling.ts";
export { openSession, type Session, type SessionOptions } from "./session/session.ts";
export type { Agreement } from "./verify/compare.ts";
export type { Level, LevelReport, Noise, Worst } from "./verify/tally.ts";
export {
  tensorFrom,
  type ElementType,
  type Elements,
  type HostTensor,
  type Port,
  type Tensors,
} from "./session/tensor.ts";
export { loadTokenizer, type Tokenizer } from "./generate/tokenizer.ts";
export { verifyRecorded, type RecordedOptions } from "./verify/recorded.ts";
export { verify, type Report, type VerifyOptions } from "./verify/verify.ts";
export type { Parcel } from "./threads/parcel.ts";
