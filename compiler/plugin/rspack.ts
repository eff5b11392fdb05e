import { tfcPlugin } from "./plugin.ts";

export type { PluginOptions } from "./options.ts";

/** The build step for rspack: `import model from "./llama.onnx?tfc"` gives a compiled model. @throws TfcError OPTION_* */
export const tfc: typeof tfcPlugin.rspack = tfcPlugin.rspack;

export default tfc;
