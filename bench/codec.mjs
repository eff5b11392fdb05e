/**
 * What any compiler in JavaScript pays before it does anything: Node starts, protobufjs decodes the messages of a graph
 * and encodes them again. The floor under `tfc compile`, with the schema it uses.
 */
import { writeFileSync } from "node:fs";
import { decode, encode } from "../dist/compiler/onnx/schema.js";
import { compact } from "../dist/compiler/onnx/skeleton.js";
import { FileSource } from "../dist/compiler/onnx/source.js";

const [, , input, output] = process.argv;
const message = decode("ModelProto", compact(new FileSource(input)));
writeFileSync(output, encode("ModelProto", message));
