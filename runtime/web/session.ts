import { inputError } from "../../compiler/diagnostics/error.ts";
import { noAdapter, type LeastSize } from "../adapters/fill.ts";
import { interfaceIn, type AdapterInterface } from "../adapters/interface.ts";
import type { AdapterLender } from "../engine/adapters.ts";
import { graphOf, unsupported, type DecoderGraph } from "../engine/graph.ts";
import type { ModelText } from "../generate/text-parts.ts";
import { Answer } from "../model/answer.ts";
import { respond } from "../model/respond.ts";
import type { GenerateRequest, Generation } from "../model/types.ts";
import { sharedLengthIn } from "../session/shared-caches.ts";
import { tensorFrom, type Port, type Tensors } from "../session/tensor.ts";
import { adapterFrom, type AdapterOptions, type AdapterSource } from "./adapters.ts";
import { LocalEngine, type RunsWith } from "./engine.ts";
import type { OrtSession, WebProvider } from "./ort.ts";
import type { GraphRunner, WebFeeds, WebResults } from "./runner.ts";
import type { RunFacts } from "./spec.ts";

/** What a session is made of. */
export interface SessionParts {
  readonly runner: GraphRunner;
  /** onnxruntime's own. */
  readonly session: OrtSession;
  readonly facts: RunFacts;
  readonly provider: WebProvider;
  readonly read: (url: string) => Promise<Uint8Array>;
  /** Loads the tokenizer, when text is first spoken of. */
  readonly text: () => Promise<ModelText>;
}

/** A graph that is loaded, with the adapters that it was given. */
export class ModelSession<Input extends string = string, Output extends string = string> {
  /** onnxruntime's own session. */
  readonly session: OrtSession;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly #parts: SessionParts;
  readonly #taken: AdapterInterface;
  /** Adapters by name, in the order in which they came: their numbers. */
  readonly #adapters = new Map<string, RunsWith>();
  readonly #least: LeastSize;
  readonly #base: RunsWith;
  #current: string | null = null;
  #engine: Promise<{ readonly engine: LocalEngine; readonly text: ModelText }> | undefined;

  /** @internal */
  constructor(parts: SessionParts) {
    const { runner, facts } = parts;
    this.#parts = parts;
    this.session = parts.session;
    this.inputs = runner.inputs;
    this.outputs = runner.outputs;
    this.#taken = interfaceIn(new Map(Object.entries(facts.metadata)), runner.file, runner.inputs);
    // WebGPU binds no buffer without elements.
    this.#least = parts.provider === "webgpu" ? 1 : 0;
    this.#base = { tensors: noAdapter(this.#taken, this.#least), member: -1 };
    for (const [member, name] of this.#taken.memberNames.entries())
      this.#adapters.set(name, { tensors: new Map(), member });
  }

  /** Names of the adapters that there are: those that were added, and a bank's members. */
  get adapters(): readonly string[] {
    return [...this.#adapters.keys()];
  }

  /** The adapter that runs have where nothing else is said; null for the base. */
  get adapter(): string | null {
    return this.#current;
  }

  /**
   * Reads an adapter and keeps it under a name, in place of one of that name. What runs goes on with what it had.
   *
   * @throws TfcError FILE_NOT_FOUND, SAFETENSORS_INVALID, BASE_MISMATCH, ADAPTER_*
   */
  async addAdapter(name: string, source: AdapterSource, options: AdapterOptions = {}): Promise<void> {
    const { runner, read } = this.#parts;
    if (this.#taken.ports.length === 0) throw inputError("ADAPTER_INPUTS_NONE", { file: runner.file }, {});
    const reader = { taken: this.#taken, least: this.#least, model: runner.file, read };
    const tensors = await adapterFrom(source, reader, options);
    this.#adapters.set(name, { tensors, member: -1 });
  }

  /** Forgets an adapter. The one that runs have becomes the base. */
  removeAdapter(name: string): void {
    this.#adapters.delete(name);
    if (this.#current === name) this.#current = null;
  }

  /** Chooses the adapter of the runs to come; null for the base. @throws TfcError ADAPTER_NAME_UNKNOWN */
  useAdapter(name: string | null): void {
    this.#runsWith(name);
    this.#current = name;
  }

  /**
   * Runs the graph with the chosen adapter, unless its inputs are fed themselves.
   *
   * @param fetch names of the outputs wanted; all when left out
   * @throws TfcError INPUT_UNKNOWN, RUNTIME_FAILED, SESSION_CLOSED
   */
  run(
    feeds: Readonly<Partial<Record<Input, WebFeeds[string]>>>,
    fetch?: readonly Output[],
  ): Promise<WebResults & Readonly<Record<Output, WebResults[string]>>> {
    const given: WebFeeds = Object.fromEntries(
      Object.entries(feeds).filter((pair): pair is [string, WebFeeds[string]] => pair[1] !== undefined),
    );
    const { tensors, member } = this.#runsWith(this.#current);
    const more = new Map([...tensors, ...this.#members(member, given)]);
    return this.#parts.runner.runWith(given, more, fetch);
  }

  /** Ids of a text, by the model's tokenizer. @throws TfcError TOKENIZER_MISSING */
  async encode(text: string, special = true): Promise<readonly number[]> {
    return this.#tokenizer(await this.#parts.text(), "a text is to be encoded").encode(text, special);
  }

  /** The text of ids. @throws TfcError TOKENIZER_MISSING */
  async decode(ids: readonly number[], special = false): Promise<string> {
    return this.#tokenizer(await this.#parts.text(), "ids are to be decoded").decode(ids, special);
  }

  /**
   * Starts an answer: iterate over its text, or wait for its result. Answers come one after the other.
   *
   * @example
   * ```ts
   * for await (const text of session.generate({ prompt: "Once upon a time" })) page.append(text);
   * ```
   */
  generate(request: GenerateRequest): Generation {
    const answer = new Answer(true, this.#parts.runner.file);
    void this.#respond(request, answer);
    return answer;
  }

  /** Gives the graph's memory back; the session is of no use after it. */
  close(): Promise<void> {
    return this.#parts.runner.close();
  }

  async #respond(request: GenerateRequest, answer: Answer): Promise<void> {
    try {
      // What is chosen now is meant, whatever is chosen until the answer begins.
      const chosen = this.#current === null ? {} : { adapter: this.#current };
      const { engine, text } = await (this.#engine ??= this.#start());
      const named = request.adapter === undefined ? { ...chosen, ...request } : request;
      await respond({ engine, text, adapters: this.#lender() }, named, answer);
    } catch (error) {
      answer.fail(error);
    }
  }

  async #start(): Promise<{ readonly engine: LocalEngine; readonly text: ModelText }> {
    const text = await this.#parts.text();
    const engine = new LocalEngine(this.#graph(), text.config.contextLength, (number) =>
      number === null ? this.#base : (this.#leased.get(number) ?? this.#base),
    );
    return { engine, text };
  }

  readonly #leased = new Map<number, RunsWith>();
  #leases = 0;

  /** Lends what an adapter is now, under a number. */
  #lender(): AdapterLender {
    return {
      names: this.adapters,
      lease: (name) => {
        const runsWith = this.#runsWith(name);
        // A bank's members are known by their own numbers.
        const number = this.#taken.ids === null ? this.#leases++ : runsWith.member;
        this.#leased.set(number, runsWith);
        return Promise.resolve({ adapter: number, release: () => this.#leased.delete(number) });
      },
    };
  }

  #graph(): DecoderGraph {
    const { runner, facts } = this.#parts;
    const { byLengths, mixesRows, unread, widths, windows, isLoop } = facts;
    if (isLoop) throw unsupported("it is a loop that generates by itself", "a step", "a loop: call run()");
    return graphOf(runner, {
      adapters: this.#taken,
      sharedLength: sharedLengthIn(new Map(Object.entries(facts.metadata))),
      traits: () => ({
        ...{ byLengths, mixesRows },
        unread: new Set(unread),
        widths: new Map(Object.entries(widths)),
        windows: new Map(Object.entries(windows)),
      }),
    });
  }

  /** A bank's input, for as many rows as are fed. */
  #members(member: number, feeds: WebFeeds): Tensors {
    const { ids } = this.#taken;
    if (ids === null) return new Map();
    const rows = Object.values(feeds)[0]?.dims[0] ?? 1;
    return new Map([[ids.name, tensorFrom("int64", [rows], () => member)]]);
  }

  #runsWith(name: string | null): RunsWith {
    if (name === null) return this.#base;
    const known = this.#adapters.get(name);
    if (known !== undefined) return known;
    throw inputError(
      "ADAPTER_NAME_UNKNOWN",
      { file: this.#parts.runner.file },
      { name, known: this.adapters },
    );
  }

  #tokenizer({ tokenizer }: ModelText, why: string): NonNullable<ModelText["tokenizer"]> {
    if (tokenizer !== null) return tokenizer;
    throw inputError("TOKENIZER_MISSING", { file: this.#parts.runner.file }, { why });
  }
}
