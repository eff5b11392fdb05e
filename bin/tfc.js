#!/usr/bin/env node
import module from "node:module";

// Older versions fail somewhere inside, with words about something else.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`tfc needs Node 20.19 or later; this is ${process.versions.node}\n`);
  process.exit(1);
}

// Where Node can (from 22 on), compiled code is kept from one run to the next; it must know before the first import.
module.enableCompileCache?.();

const { main } = await import("../dist/cli/main.js");
process.exitCode = await main(process.argv.slice(2));
