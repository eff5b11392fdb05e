import type { Diagnostic } from "../../compiler/diagnostics/diagnostic.ts";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { AdapterStore } from "../adapters/store.ts";
import { EngineThread } from "../engine/client.ts";
import { refused } from "../generate/options.ts";
import { loadModelText, type ModelText } from "../generate/model-text.ts";
import type { Tokenizer } from "../generate/tokenizer.ts";
import type { Port } from "../session/tensor.ts";
import type { Provider } from "../session/devices.ts";
import { Answer } from "./answer.ts";
import { locateModel } from "./locate.ts";
import { checkModelOptions } from "./options.ts";
import { respond } from "./respond.ts";
import type { GenerateRequest, Generation, Model, ModelOptions, Result } from "./types.ts";

/** Rows that run as one batch at most. */
const MAX_BATCH = 8;

/**
 * Loads a model that generates: any decoder's graph, compiled or not, with the tokenizer and the configurations beside
 * it. It runs in a thread of its own, from here on until it is closed; where it is not, it ends with the process, which
 * it keeps running only while an answer is under way.
 *
 * @param where an .onnx file, or a folder with one: of onnxruntime-genai, or with a model.onnx.
 * @throws TfcError FILE_*, EXTERNAL_*, MODEL_FOLDER, MODEL_CONFIG, TOKENIZER_INVALID, TOKENIZER_VOCABULARY;
 *   GENERATE_OPTION for an option that there is not, or a value that it cannot have; GENERATE_UNSUPPORTED for a graph
 *   that is no decoder's; RUNTIME_MISSING, RUNTIME_PROVIDER, RUNTIME_FAILED
 * @example
 * ```ts
 * const model = await loadModel("smollm2");
 * for await (const text of model.generate({ prompt: "Once upon a time" })) process.stdout.write(text);
 * await model.close();
 * ```
 */
export async function loadModel(where: string, options: ModelOptions = {}): Promise<Model> {
  checkModelOptions(where, options);
  const { device = "auto", threads, maxBatch = MAX_BATCH, maxQueue = Infinity } = options;
  const place = locateModel(where);
  const { file } = place;
  const text = loadModelText(place, options.tokenizer);
  const engine = await EngineThread.start({
    file,
    device,
    maxBatch,
    contextLength: text.config.contextLength,
    ...(threads === undefined ? {} : { threads }),
  });
  try {
    text.checkVocabulary(engine.vocabularySize);
    const { capacity, adapters } = options;
    const store = new AdapterStore(engine, {
      ...(capacity === undefined ? {} : { capacity }),
      ...(adapters === undefined ? {} : { adapters }),
    });
    return new LoadedModel(engine, { text, most: maxBatch + maxQueue, maxQueue, adapters: store });
  } catch (error) {
    await engine.close();
    throw error;
  }
}

interface Parts {
  readonly text: ModelText;
  readonly adapters: AdapterStore;
  /** Requests under way and waiting together. */
  readonly most: number;
  readonly maxQueue: number;
}

class LoadedModel implements Model {
  readonly file: string;
  readonly provider: Provider;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly contextLength: number | null;
  readonly vocabularySize: number | null;
  readonly isSingle: boolean;
  readonly adapters: AdapterStore;
  readonly tokenizer: Tokenizer | null;
  readonly diagnostics: readonly Diagnostic[];
  readonly #engine: EngineThread;
  readonly #parts: Parts;
  readonly #answers = new Set<Answer>();
  #isClosed = false;

  constructor(engine: EngineThread, parts: Parts) {
    this.file = engine.file;
    this.provider = engine.provider;
    this.inputs = engine.inputs;
    this.outputs = engine.outputs;
    this.contextLength = engine.contextLength;
    this.vocabularySize = engine.vocabularySize;
    this.isSingle = engine.isSingle;
    this.adapters = parts.adapters;
    this.tokenizer = parts.text.tokenizer;
    this.diagnostics = parts.text.config.ignored(engine.isLoop);
    this.#engine = engine;
    this.#parts = parts;
  }

  get load(): { readonly running: number; readonly waiting: number } {
    const { running } = this.#engine.load;
    return { running, waiting: this.#active - running };
  }

  /** Answers that are not over. */
  get #active(): number {
    return [...this.#answers].filter((answer) => !answer.isOver).length;
  }

  generate(request: GenerateRequest): Generation {
    const answer = new Answer(this.tokenizer !== null, this.file);
    void this.#respond(answer, request);
    return answer;
  }

  async generateAll(requests: readonly GenerateRequest[]): Promise<readonly Result[]> {
    const given: unknown = requests;
    if (!Array.isArray(given)) throw refused("the list of requests", "a list", given);
    const answers = requests.map((request) => this.generate(request));
    try {
      return await Promise.all(answers.map((answer) => answer.result()));
    } finally {
      for (const answer of answers) if (answer instanceof Answer) answer.cancel();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const answer of this.#answers) answer.cancel(this.#closed());
    await this.#engine.close();
  }

  async #respond(answer: Answer, request: GenerateRequest): Promise<void> {
    const { most, maxQueue } = this.#parts;
    try {
      if (this.#isClosed) throw this.#closed();
      if (this.#active >= most)
        throw inputError("REQUEST_QUEUE_FULL", { file: this.file }, { waiting: maxQueue });
      this.#answers.add(answer);
      await respond({ ...this.#parts, engine: this.#engine }, request, answer);
    } catch (error) {
      answer.fail(error);
    } finally {
      this.#answers.delete(answer);
    }
  }

  #closed(): Error {
    return inputError("MODEL_CLOSED", { file: this.file }, {});
  }
}
