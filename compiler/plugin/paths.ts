import { fileURLToPath } from "node:url";
import { readFileSync } from "node:fs";
import type { Target } from "./options.ts";

/** The folder of the package. */
const root = packageRoot(new URL(".", import.meta.url));

/** The modules that go into an app, absolute. */
export const webModule = fileURLToPath(new URL("dist/web/index.js", root));

/**
 * The module that loads onnxruntime, by where it runs; null where that shows only then.
 *
 * @param provider what the graph was compiled for, where it was compiled for one: a page gets no onnxruntime that it has
 *   no use for
 */
export function hostModule(target: Target | null, provider: string | undefined): string {
  const names = { node: "onnxruntime-node", browser: webHosts.get(provider ?? "") ?? "onnxruntime-web" };
  return fileURLToPath(new URL(`dist/web/${target === null ? "onnxruntime" : names[target]}.js`, root));
}

const webHosts: ReadonlyMap<string, string> = new Map([
  ["cpu", "onnxruntime-wasm"],
  ["webgpu", "onnxruntime-webgpu"],
]);

/** tfc's own version. */
export function ownVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as { version: string };
  return version;
}

/** The package's folder, as a URL. */
export const packageFolder = fileURLToPath(root);

function packageRoot(folder: URL): URL {
  for (let at = folder; ; at = new URL("..", at)) {
    try {
      const { name } = JSON.parse(readFileSync(new URL("package.json", at), "utf8")) as { name?: string };
      if (name === "@tokenformer/tfc") return at;
    } catch {
      // Not this one.
    }
    if (at.pathname === "/" || new URL("..", at).href === at.href)
      throw new Error(`no package above ${folder.href}`);
  }
}
