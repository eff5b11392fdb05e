import { tfcPlugin } from "./plugin.ts";

export type { PluginOptions } from "./options.ts";

/** The build step for vite: `import model from "./llama.onnx?tfc"` gives a compiled model. @throws TfcError OPTION_* */
export const tfc: typeof tfcPlugin.vite = tfcPlugin.vite;

export default tfc;
