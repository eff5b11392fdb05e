/**
 * What `tfc compile` pays for reading and writing alone: Node starts, the graph is made into the IR and written again,
 * and nothing is done in between. What onnx.load and onnx.save do, and onnx-ir's.
 */
import { emitModel } from "../dist/compiler/onnx/emit.js";
import { importModel } from "../dist/compiler/onnx/import.js";
import { writePieces } from "../dist/compiler/onnx/output.js";

const [, , input, output] = process.argv;
writePieces(output, emitModel(importModel(input).model).pieces);
