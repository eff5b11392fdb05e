/** Types of `import model from "./llama.onnx?tfc"`: list `@tokenformer/tfc/client` in `types` of a tsconfig.json. */
declare module "*?tfc" {
  const model: import("@tokenformer/tfc/web").CompiledModel;
  export default model;
}

declare module "*&tfc" {
  const model: import("@tokenformer/tfc/web").CompiledModel;
  export default model;
}
