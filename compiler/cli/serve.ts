import { Command } from "commander";
import { diagnostic } from "../diagnostics/diagnostic.ts";
import { accessText } from "./access-log.ts";
import { wordFlag } from "./flags.ts";
import { printDiagnostics, printResult, rows } from "./output.ts";
import { isQuiet } from "./progress.ts";
import { say } from "./streams.ts";
import { countOf, secondsOf } from "./verify-flags.ts";
import type { Model } from "../../runtime/model/types.ts";
import type { Server } from "../../runtime/serve/index.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  readonly adapters?: string;
  readonly name?: string;
  readonly host: string;
  readonly port: number;
  readonly apiKey?: string;
  readonly device: "auto" | "cpu" | "cuda";
  readonly threads?: number;
  readonly tokenizer?: string;
  readonly maxBatch: number;
  readonly maxQueue: number;
  readonly maxTokens: number;
  readonly maxBody?: number;
  readonly maxAdapters: number;
  readonly timeout: number;
  readonly stallTimeout: number;
  readonly grace: number;
  readonly json: boolean;
}

/** `tfc serve <model>`: an OpenAI-compatible server, until SIGTERM or SIGINT. */
export function serveCommand(): Command {
  const command = new Command("serve")
    .description("serve a model and its adapters as OpenAI's API")
    .argument("<model>", "a decoder's graph, or a folder with one")
    .option("--adapters <dir>", "a folder whose files and folders are adapters, each a model under its name")
    .option("--name <name>", "name of the base model (default: that of its file or folder)")
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--port <n>", "port to listen on; 0 takes a free one", countOf("--port", 0, 65_535), 8000)
    .option(
      "--api-key <key>",
      "key that clients have to send (default: the environment's TFC_API_KEY; else none)",
    );
  return withLimits(withModel(command))
    .option(
      "--quiet",
      "print the result and errors only: no line for each request, no progress, no warnings",
      false,
    )
    .option("--json", "print one JSON object when the server listens", false)
    .action(run);
}

function withModel(command: Command): Command {
  return command
    .addOption(wordFlag("--device <name>", "where to run", ["auto", "cpu", "cuda"]).default("auto"))
    .option("--threads <n>", "threads within an op (default: onnxruntime's choice)", countOf("--threads", 1))
    .option(
      "--tokenizer <path>",
      "folder of the tokenizer, or its tokenizer.json (default: the model's folder)",
    )
    .option("--max-adapters <n>", "adapters kept in memory", countOf("--max-adapters", 1), 16);
}

function withLimits(command: Command): Command {
  return command
    .option("--max-batch <n>", "answers that are made at once", countOf("--max-batch", 1), 8)
    .option(
      "--max-queue <n>",
      "answers that wait, or are not read yet; one more is refused",
      countOf("--max-queue"),
      120,
    )
    .option("--max-tokens <n>", "new tokens of an answer at most", countOf("--max-tokens", 1), 4096)
    .option(
      "--max-body <bytes>",
      "bytes of a request at most (default: 32 for each token of the context, from 64 KiB to 1 MiB)",
      countOf("--max-body", 1),
    )
    .option("--timeout <s>", "seconds that a request may take", secondsOf("--timeout"), 600)
    .option(
      "--stall-timeout <s>",
      "seconds that a client may take to send a request, or to read the next part of its answer",
      secondsOf("--stall-timeout"),
      30,
    )
    .option(
      "--grace <s>",
      "seconds that answers under way have to end when the server is stopped",
      secondsOf("--grace"),
      30,
    );
}

async function run(file: string, flags: Flags): Promise<void> {
  const { loadModel } = await import("../../runtime/model/load.ts");
  const { device, threads, tokenizer, maxBatch, maxAdapters: capacity } = flags;
  const model = await loadModel(file, {
    ...{ device, maxBatch, capacity },
    ...(threads === undefined ? {} : { threads }),
    ...(tokenizer === undefined ? {} : { tokenizer }),
  });
  try {
    printDiagnostics(model.diagnostics);
    if (flags.adapters !== undefined) {
      const { addAdaptersIn } = await import("../../runtime/serve/adapter-folder.ts");
      printDiagnostics(await addAdaptersIn(flags.adapters, model.adapters));
    }
    await serveModel(model, flags);
  } finally {
    await model.close();
  }
}

async function serveModel(model: Model, flags: Flags): Promise<void> {
  const { serve } = await import("../../runtime/serve/index.ts");
  const { isLoopback } = await import("../../runtime/serve/host.ts");
  const { host, port, maxBatch, maxQueue, maxTokens, maxBody, timeout, stallTimeout, name } = flags;
  const apiKey = flags.apiKey ?? keyOf(process.env);
  const server = await serve(model, {
    ...{ host, port, maxTokens, timeout, stallTimeout, maxAnswers: maxBatch + maxQueue },
    ...(maxBody === undefined ? {} : { maxBody }),
    ...(name === undefined ? {} : { name }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(isQuiet()
      ? {}
      : {
          log: (access) => {
            say(`${accessText(access)}\n`);
          },
        }),
  });
  if (apiKey === undefined && !isLoopback(host)) printDiagnostics([diagnostic("SERVE_OPEN", {}, { host })]);
  const { url, models } = server;
  const { provider, isSingle } = model;
  printResult(flags.json, { url, models, provider, isSingle }, () =>
    rows([
      ["models", models.join("\n")],
      ["runs on", provider],
      ...(isSingle ? [["rows", "one in each run: answers that are made at once take turns"] as const] : []),
      ["listens on", `${url}/v1`],
    ]),
  );
  await stopped(server, flags);
}

/** An empty variable is none. */
function keyOf({ TFC_API_KEY: key }: NodeJS.ProcessEnv): string | undefined {
  return key === "" ? undefined : key;
}

/**
 * Serves until a signal asks for the end. A second one ends what the first lets finish, a third the process: it may be
 * in the middle of a run, which onnxruntime's binding does not survive in order.
 */
async function stopped(server: Server, { grace }: Flags): Promise<void> {
  const signals = ["SIGTERM", "SIGINT"] as const;
  await new Promise<void>((resolve) => {
    let times = 0;
    const stop = (signal: string): void => {
      times++;
      if (times === 1 && !isQuiet())
        say(`${signal}: answers under way have ${grace} s to end; a second signal ends them now\n`);
      if (times === 2) for (const one of signals) process.off(one, stop);
      void server.close(grace).then(resolve);
    };
    for (const signal of signals) process.on(signal, stop);
  });
}
