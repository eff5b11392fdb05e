#!/usr/bin/env node
import module from "node:module";
import { fileURLToPath } from "node:url";

// Older versions fail somewhere inside, with words about something else.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`tfc needs Node 20.19 or later; this is ${process.versions.node}\n`);
  process.exit(1);
}

// onnxruntime reports to its makers, and leaves files of that in temporary and working folders, unless it is told not to.
process.env.ORT_DISABLE_TELEMETRY ??= "1";

// Of what is loaded beside the bundle; Node must know before the first import.
module.enableCompileCache?.();

const { Bundle } = await import("./bundle.js");
const args = process.argv.slice(2);
// Each command runs another part of the bundle.
const command = /^[a-z_]+$/.exec(args[0] ?? "")?.[0] ?? "none";
const inDist = (name) => fileURLToPath(new URL(`../dist/cli/${name}`, import.meta.url));
const bundle = new Bundle(inDist("main.cjs"), inDist(`code/${process.version}-${process.arch}/${command}`));
const { main } = bundle.run();
const status = await main(args);
process.exitCode = status;
// Help runs next to nothing, and what fails (a word that is no command, say) not all.
if (status === 0 && !args.includes("--help") && !args.includes("-h")) bundle.keepCode();
// All is written. To take the heap apart, as Node does otherwise, would take longer than all of a short command.
process.exit();
