import { parentPort, workerData } from "node:worker_threads";
import { TfcError } from "../../compiler/diagnostics/error.ts";
import { openSession, type Session } from "../session/session.ts";
import { sentError } from "../threads/errors.ts";
import { tensorsIn } from "../threads/parcel.ts";
import { failureOf } from "./failure.ts";
import { BusyFlag } from "./busy.ts";
import { Engine } from "./engine.ts";
import { LoopEngine } from "./loop-engine.ts";
import { loopGraph, type LoopGraph } from "./loop-graph.ts";
import { decoderGraph } from "./read-graph.ts";
import { contextOf } from "./limits.ts";
import type { Command, EngineOptions, Event, ThreadData } from "./messages.ts";

/*
 * The thread that a model runs in: onnxruntime's binding holds up whatever thread calls it. Texts, caches and logits
 * stay on their side; ids and endings pass.
 */

const tell = (event: Event): void => parentPort?.postMessage(event);

async function start({
  file,
  device,
  threads,
  maxBatch,
  contextLength,
}: EngineOptions): Promise<Engine | LoopEngine> {
  const opened = await busy.during(() =>
    openSession(file, { provider: device, ...(threads === undefined ? {} : { threads }) }),
  );
  const session: Session = {
    ...opened,
    run: (...given) => busy.during(() => opened.run(...given)),
    close: () => busy.during(() => opened.close()),
  };
  try {
    const limits = { maxBatch, contextLength };
    const loop = loopGraph(session);
    const { graph, engine } = loop === null ? stepping(session, limits) : looping(loop, limits);
    tell({
      type: "ready",
      provider: session.provider,
      inputs: session.inputs,
      outputs: session.outputs,
      contextLength: contextOf(graph, contextLength),
      vocabularySize: graph.vocabulary,
      isLoop: loop !== null,
      isSingle: graph.isSingle,
    });
    return engine;
  } catch (error) {
    await session.close();
    // Until here all is about this graph: the message says which it is.
    throw error instanceof TfcError ? error.in(file) : error;
  }
}

type Limits = ConstructorParameters<typeof Engine>[1];

function stepping(session: Session, limits: Limits) {
  const graph = decoderGraph(session);
  return { graph, engine: new Engine(graph, limits, tell) };
}

function looping(graph: LoopGraph, limits: Limits) {
  return { graph, engine: new LoopEngine(graph, limits, tell) };
}

function obey(engine: Engine | LoopEngine, command: Command): void {
  switch (command.type) {
    case "request":
      engine.submit(command.request);
      break;
    case "abort":
      engine.abort(command.id);
      break;
    case "put":
      engine.adapters.put(command.adapter, tensorsIn(command.parcel));
      break;
    case "drop":
      engine.adapters.drop(command.adapter);
      break;
    case "close":
      // Nothing is left to wait for, and the thread ends.
      void engine.close().then(() => parentPort?.close());
  }
}

const { options, busy: memory } = workerData as ThreadData;
const busy = new BusyFlag(memory);
try {
  const engine = await start(options);
  parentPort?.on("message", (commands: readonly Command[]) => {
    for (const command of commands) obey(engine, command);
  });
} catch (error) {
  tell({ type: "failed", error: sentError(failureOf(options.file, error)) });
}
