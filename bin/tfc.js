#!/usr/bin/env node
import module from "node:module";

// Where Node can (from 22 on), compiled code is kept from one run to the next; it must know before the first import.
module.enableCompileCache?.();

const { main } = await import("../dist/cli/main.js");
process.exitCode = await main(process.argv.slice(2));
