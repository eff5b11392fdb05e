import { setTimeout as delay } from "node:timers/promises";
import { inputError } from "../../compiler/diagnostics/error.ts";
import type { AdapterStore } from "../../runtime/adapters/store.ts";
import type {
  GenerateRequest,
  Generation,
  Model,
  Piece,
  Result,
  TokenLogprob,
} from "../../runtime/model/types.ts";

/** A model whose answers are known beforehand, for tests of what is around one. */
export interface ScriptedModel extends Model {
  /** Requests, as they came. */
  readonly requests: readonly GenerateRequest[];
  /** Requests that ended by their signal. */
  readonly aborted: number;
  /** Pieces that were asked for, of all requests. */
  readonly taken: number;
}

/** How a scripted model behaves. */
export interface Script {
  readonly adapters?: readonly string[];
  /** Answers that are made at once. */
  readonly slots?: number;
  /** Tokens of its context; 100,000 when left out. */
  readonly context?: number;
  /** Milliseconds between tokens. */
  readonly gap?: number;
  /** What happens to a request before its first token, and before each: throws, waits, or nothing. */
  readonly before?: (request: GenerateRequest, token: number) => void | Promise<void>;
  /** Text of each token: default, words of the prompt and the adapter's name in turn. */
  readonly token?: (request: GenerateRequest, index: number) => string;
}

/** What {@link scriptedModel} answers. */
export function scriptedWord(request: GenerateRequest, index: number): string {
  const words = [...promptWords(request), request.adapter ?? "base"];
  return ` ${words[index % words.length] ?? ""}${index}`;
}

function promptWords({ prompt, messages = [] }: GenerateRequest): readonly string[] {
  if (typeof prompt === "string") return prompt.split(/\s+/).filter((word) => word !== "");
  return prompt === undefined
    ? messages.map(({ role, content }) => `${role}:${content}`)
    : prompt.map(String);
}

/** Makes a scripted model. Answers run on whether or not they are read, as a model's do. */
export function scriptedModel(script: Script = {}): ScriptedModel {
  const { adapters = [], slots = 8, gap = 0 } = script;
  const counts = { aborted: 0, taken: 0, running: 0 };
  const requests: GenerateRequest[] = [];
  const queue: (() => void)[] = [];
  const enter = async (signal: AbortSignal | undefined): Promise<void> => {
    if (counts.running < slots) {
      counts.running++;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      queue.push(resolve);
      signal?.addEventListener("abort", () => {
        if (!queue.includes(resolve)) return;
        queue.splice(queue.indexOf(resolve), 1);
        reject(signal.reason as Error);
      });
    });
  };
  const leave = (): void => {
    const next = queue.shift();
    if (next === undefined) counts.running--;
    else next();
  };
  const make = async (request: GenerateRequest, out: Piece[], wake: () => void): Promise<Result> => {
    const { signal, maxNewTokens = 64, logprobs, stop = [] } = request;
    await enter(signal);
    try {
      await script.before?.(request, -1);
      if (request.adapter !== undefined && !adapters.includes(request.adapter))
        throw inputError("ADAPTER_NAME_UNKNOWN", {}, { name: request.adapter, known: adapters });
      let text = "";
      let count = 0;
      let end: Result["stop"] = "length";
      const all: TokenLogprob[] = [];
      for (; count < maxNewTokens; count++) {
        await script.before?.(request, count);
        await (gap > 0 ? delay(gap) : Promise.resolve());
        if (count % 64 === 63) await new Promise((resolve) => setImmediate(resolve));
        signal?.throwIfAborted();
        const token = (script.token ?? scriptedWord)(request, count);
        if (stop.some((one) => token.includes(one))) {
          end = "stop";
          break;
        }
        const probable = { id: count, text: token, logprob: -0.5 };
        const top = Array.from({ length: logprobs ?? 0 }, (_, i) =>
          i === 0 ? probable : { id: i, text: `<${i}>`, logprob: -i },
        );
        all.push({ ...probable, top });
        text += token;
        out.push({
          text: token,
          ids: [count],
          ...(logprobs === undefined ? {} : { logprobs: all.slice(-1) }),
        });
        wake();
      }
      const prompt = promptWords(request).length;
      const ids = Array.from({ length: count }, (_, i) => i);
      return {
        ...{ text, ids, prompt, new: count, stop: end, prefill: 1, decode: 1 },
        ...(logprobs === undefined ? {} : { logprobs: all }),
      };
    } catch (error) {
      if (signal?.aborted === true) counts.aborted++;
      throw error;
    } finally {
      leave();
    }
  };
  const generate = (request: GenerateRequest): Generation => {
    requests.push(request);
    const out: Piece[] = [];
    let wake = (): void => undefined;
    let isDone = false;
    const result = make(request, out, () => {
      wake();
    });
    const finish = (): void => {
      isDone = true;
      wake();
    };
    result.then(finish, finish);
    async function* pieces(): AsyncGenerator<Piece> {
      for (;;) {
        const piece = out.shift();
        if (piece !== undefined) {
          counts.taken++;
          yield piece;
        } else if (isDone) {
          await result;
          return;
        } else await new Promise<void>((resolve) => (wake = resolve));
      }
    }
    return {
      pieces,
      result: () => result,
      async *[Symbol.asyncIterator]() {
        for await (const piece of pieces()) yield piece.text;
      },
    };
  };
  return {
    ...{ file: "models/scripted/model.onnx", provider: "cpu", inputs: [], outputs: [], diagnostics: [] },
    ...{
      contextLength: script.context ?? 100_000,
      vocabularySize: null,
      isSingle: false,
      tokenizer: null,
      requests,
      generate,
    },
    // The part of a store that a server reads.
    adapters: { names: adapters } as Pick<AdapterStore, "names"> as AdapterStore,
    generateAll: (all) => Promise.all(all.map((one) => generate(one).result())),
    get load() {
      return { running: counts.running, waiting: queue.length };
    },
    get aborted() {
      return counts.aborted;
    },
    get taken() {
      return counts.taken;
    },
    close: () => Promise.resolve(),
  };
}
