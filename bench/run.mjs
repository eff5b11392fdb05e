/** `npm run bench -- <benchmark> [options]`: runs one benchmark, each a file of its own here. */

const benchmarks = {
  adapters: {
    about:
      "what adapters cost in onnxruntime: the functions alone, one block, a model of a billion parameters",
    load: () => import("./adapters.mjs"),
  },
  build: {
    about: "a page that vite builds with the build step, cold and cached, beside plain assets; peak memory",
    load: () => import("./build.mjs"),
  },
  compile: {
    about:
      "tfc compile beside onnx.load and onnx.save in Python: time and memory at the sizes of real Llamas",
    load: () => import("./compile.mjs"),
  },
  fusions: {
    about: "attention blocks that tfc understands, beside those that other tools' pattern matchers fuse",
    load: () => import("./fusions.mjs"),
  },
  lower: {
    about:
      "decode and prefill of lowered graphs in onnxruntime, beside other tools' graphs of the same weights",
    load: () => import("./lower.mjs"),
  },
  serve: {
    about: "tfc serve with eight adapters: tokens per second by clients, memory under crowds of 200",
    load: () => import("./serve.mjs"),
  },
  train: {
    about:
      "a training step of adapters: time and memory beside PyTorch, with and without checkpointing, and beside onnxsim",
    load: () => import("./train.mjs"),
  },
  swap: {
    about: "what it costs to run another adapter, and how long reading one holds up the event loop",
    load: () => import("./swap.mjs"),
  },
  run: {
    about:
      "text: tokens/s and memory beside transformers.js and Python, the loop in the graph, adapters, event loop",
    load: () => import("./run-models.mjs"),
  },
};

const [name, ...args] = process.argv.slice(2);
const benchmark = Object.hasOwn(benchmarks, name ?? "") ? benchmarks[name] : undefined;
if (benchmark === undefined) {
  console.error("usage: npm run bench -- <benchmark> [options]\n");
  for (const [known, { about }] of Object.entries(benchmarks)) console.error(`  ${known}  ${about}`);
  process.exitCode = 1;
} else {
  const { run } = await benchmark.load();
  await run(args);
}
