import { readModelMetadata } from "../../compiler/weights/model-metadata.ts";
import type { Port } from "../session/tensor.ts";
import { interfaceIn, type AdapterInterface } from "./interface.ts";

export { MEMBER_IDS, type AdapterInterface, type AdapterPort } from "./interface.ts";

/** What a graph takes of adapters, by the metadata in its file. A graph that was not compiled takes nothing. */
export function adapterInterface(file: string, inputs: readonly Port[]): AdapterInterface {
  return interfaceIn(readModelMetadata(file), file, inputs);
}
