/** Running compiled graphs in pages and in Node: what the modules of a build stand on. Nothing here asks for Node. */
export { defineModel, type CompiledModel, type CreateSessionOptions } from "./model.ts";
export type { ModelSession } from "./session.ts";
export type { AdapterOptions, AdapterSource } from "./adapters.ts";
export type { WebFeeds, WebResults } from "./runner.ts";
export type {
  ModelFacts,
  ModelSpec,
  NamedFacts,
  NamedPort,
  NamedTensor,
  RunFacts,
  TextFile,
  WeightFile,
} from "./spec.ts";
export type { ExternalFile, Ort, OrtHost, OrtSession, OrtTensor, WebProvider } from "./ort.ts";
export type { HostTensor, Port } from "../session/tensor.ts";
export type { GenerateRequest, Generation, Message, Piece, Result } from "../model/types.ts";
export { TfcError } from "../../compiler/diagnostics/error.ts";
