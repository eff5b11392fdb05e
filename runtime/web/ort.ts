/** What is used of onnxruntime's JavaScript API: onnxruntime-web and onnxruntime-node have it alike. */
export interface Ort {
  readonly InferenceSession: {
    create(model: string | Uint8Array, options?: object): Promise<OrtSession>;
  };
  readonly Tensor: new (type: never, data: never, dims?: readonly number[]) => OrtTensor;
}

/** A tensor of onnxruntime. */
export interface OrtTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: unknown;
}

/** A session of onnxruntime. */
export interface OrtSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly inputMetadata: readonly OrtPort[];
  readonly outputMetadata: readonly OrtPort[];
  run(feeds: never, fetches?: never): Promise<Readonly<Record<string, OrtTensor>>>;
  release(): Promise<void>;
}

/** An input or output, as a session tells of it. */
export type OrtPort =
  | { readonly name: string; readonly isTensor: false }
  | {
      readonly name: string;
      readonly isTensor: true;
      readonly type: string;
      readonly shape: readonly (number | string)[];
    };

/** Where a session's onnxruntime comes from, and what it takes: it is one in Node and another in browsers. */
export interface OrtHost {
  /** Loads onnxruntime, or the part of it that runs graphs there. */
  load(provider: WebProvider): Promise<Ort>;
  /** What a session is created of, and how: a path with its data beside it, or URLs of both. */
  source(files: HostFiles): { readonly model: string; readonly options: object };
  /** Reads a file. @throws Error with what is wrong */
  read(url: string): Promise<Uint8Array>;
  /** Names of the execution providers, in the order in which they are tried. */
  providers(provider: WebProvider): readonly string[];
}

/** A graph, and its files of weights. */
export interface HostFiles {
  readonly url: string;
  readonly data: readonly ExternalFile[];
}

/** A file of weights, as the graph refers to it. */
export interface ExternalFile {
  /** Its place beside the graph, as the graph has it. */
  readonly path: string;
  readonly url: string;
}

/** Where a graph runs: the CPU (in browsers WebAssembly), a GPU by WebGPU, or, in Node, one by CUDA. */
export type WebProvider = "cpu" | "webgpu" | "cuda";
