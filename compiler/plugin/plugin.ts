import { createUnplugin, type UnpluginInstance } from "unplugin";
import { LOWERED_KEY } from "../ops/providers.ts";
import { warningText } from "./build-error.ts";
import { esbuildHooks } from "./esbuild-hooks.ts";
import { inlineParts } from "./inline.ts";
import { ID, SPECIFIER } from "./import-id.ts";
import type { ModuleParts } from "./module-text.ts";
import { moduleText } from "./module-text.ts";
import { checkPluginOptions, type PluginOptions, type Target } from "./options.ts";
import { hostModule, webModule } from "./paths.ts";
import { rollupHooks } from "./rollup-hooks.ts";
import { BuildState } from "./state.ts";
import type { Bundler, LoadContext } from "./bundler.ts";
import { viteHooks } from "./vite-hooks.ts";
import { webpackBundler } from "./webpack-hooks.ts";

/** Modules with native code are found where the app runs. */
const NATIVE = "onnxruntime-node";

/**
 * The build step, for every bundler that unplugin knows: `import model from "./llama.onnx?tfc"` gives a compiled model.
 *
 * @throws TfcError OPTION_* for options that there are not
 */
export const tfcPlugin: UnpluginInstance<PluginOptions | undefined, false> = createUnplugin(
  (given: PluginOptions | undefined, { framework }) => {
    const options = given ?? {};
    checkPluginOptions(options);
    const state = new BuildState(options);
    const rollup = rollupHooks(state);
    const vite = viteHooks(state, rollup);
    const esbuild = esbuildHooks(state);
    const webpack = webpackBundler(state);
    const bundler: Bundler = { vite, esbuild, webpack, rspack: webpack }[framework as string] ?? rollup;
    return {
      name: "tfc",
      enforce: "pre",
      resolveId: {
        filter: { id: new RegExp(`${SPECIFIER.source}|^${NATIVE}$`) },
        async handler(source, importer) {
          if (source === NATIVE)
            return framework === "webpack" || framework === "rspack" ? null : { id: source, external: true };
          const context = this as unknown as LoadContext;
          return state.idOf(source, importer, async (path) => {
            const found = await context.resolve?.(path, importer, { skipSelf: true });
            return found === undefined ||
              found === null ||
              (found.external !== undefined && found.external !== false)
              ? null
              : found.id;
          });
        },
      },
      buildStart() {
        state.begin();
      },
      load: {
        filter: { id: ID },
        handler(id) {
          return loaded(state, bundler, id, this as unknown as LoadContext);
        },
      },
      vite: vite.hooks,
      rollup: rollup.hooks,
      rolldown: rollup.hooks,
      esbuild: esbuild.hooks,
      webpack: webpack.apply,
      rspack: webpack.apply,
    };
  },
);

/** The module of an id. @throws BuildError */
async function loaded(
  state: BuildState,
  bundler: Bundler,
  id: string,
  context: LoadContext,
): Promise<string> {
  const request = state.requestOf(id);
  // Also of a model that is refused: it may be mended.
  if (bundler.watches?.(request.model) !== false) context.addWatchFile(request.model);
  try {
    const found = await state.compiled(request);
    const { entry, dependencies } = found;
    for (const { path } of dependencies) if (bundler.watches?.(path) !== false) context.addWatchFile(path);
    for (const warning of entry.warnings) context.warn?.(warningText(warning, request.model));
    await state.types?.add(request, entry.description);
    const target: Target | null = found.target ?? state.options.target ?? bundler.target(context);
    const parts: Omit<ModuleParts, "web" | "host"> = found.isInline
      ? inlineParts(entry, target)
      : await bundler.parts(context, entry, target, id);
    return moduleText(entry, {
      ...parts,
      web: webModule,
      host: hostModule(target, entry.facts.metadata[LOWERED_KEY]),
    });
  } catch (error) {
    return bundler.fail(context, state.explained(error, request.model, request));
  }
}
