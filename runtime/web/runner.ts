import { inputError, type TfcError } from "../../compiler/diagnostics/error.ts";
import type { Session } from "../session/session.ts";
import type { HostTensor, Port, Tensors } from "../session/tensor.ts";
import type { Ort, OrtSession, OrtTensor } from "./ort.ts";
import { fromOrt, portOf, toOrt } from "./tensors.ts";

/** Tensors by name, of onnxruntime or as plain objects. */
export type WebFeeds = Readonly<Record<string, OrtTensor | HostTensor>>;

/** What a graph gives, by name. */
export type WebResults = Readonly<Record<string, OrtTensor>>;

/** Runs a graph in an onnxruntime that was handed over: what generates sees it as any session. */
export class GraphRunner implements Session {
  readonly file: string;
  readonly provider: Session["provider"];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly #ort: Ort;
  readonly #session: OrtSession;
  readonly #defaults: Tensors;
  #closing: Promise<void> | undefined;

  constructor(
    file: string,
    {
      ort,
      session,
      defaults,
    }: { readonly ort: Ort; readonly session: OrtSession; readonly defaults: Tensors },
  ) {
    this.file = file;
    // What generates asks for it in messages only.
    this.provider = "cpu";
    this.inputs = session.inputMetadata.map(portOf);
    this.outputs = session.outputMetadata.map(portOf);
    this.#ort = ort;
    this.#session = session;
    this.#defaults = defaults;
  }

  /** Runs what is fed as it is, with defaults for what is left out. @throws TfcError INPUT_UNKNOWN, RUNTIME_FAILED, SESSION_CLOSED */
  async runWith(feeds: WebFeeds, more: Tensors, fetch?: readonly string[]): Promise<WebResults> {
    if (this.#closing !== undefined) throw inputError("SESSION_CLOSED", { file: this.file }, {});
    const known = this.inputs.map(({ name }) => name);
    const strange = Object.keys(feeds).find((name) => !known.includes(name));
    if (strange !== undefined)
      throw inputError("INPUT_UNKNOWN", { file: this.file, name: strange }, { name: strange, known });
    const given: Record<string, OrtTensor> = {};
    for (const [name, tensor] of [...this.#defaults, ...more]) given[name] = toOrt(this.#ort, tensor);
    for (const [name, tensor] of Object.entries(feeds))
      given[name] = "dtype" in tensor ? toOrt(this.#ort, tensor) : tensor;
    try {
      return await this.#session.run(given as never, fetch as never);
    } catch (cause) {
      throw runtimeFailed(this.file, cause);
    }
  }

  async run(
    feeds: Tensors | Readonly<Record<string, HostTensor>>,
    fetch?: readonly string[],
  ): Promise<Tensors> {
    const tensors = feeds instanceof Map ? (feeds as Tensors) : new Map(Object.entries(feeds));
    const results = await this.runWith({}, tensors, fetch);
    return new Map(
      Object.entries(results).flatMap(([name, tensor]) => {
        const own = fromOrt(tensor);
        return own === null ? [] : [[name, own] as const];
      }),
    );
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#session.release());
  }
}

/** RUNTIME_FAILED, with what onnxruntime said. */
export function runtimeFailed(file: string, cause: unknown): TfcError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return inputError("RUNTIME_FAILED", { file }, { why }, cause);
}
