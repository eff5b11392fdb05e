export { tfcPlugin as tfc, tfcPlugin as default } from "./plugin.ts";
export type { PluginOptions } from "./options.ts";
