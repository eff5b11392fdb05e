import tfc from "@tokenformer/tfc/vite";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [tfc()],
  // A page that is isolated may have threads.
  server: { headers: isolated() },
  preview: { headers: isolated() },
});

function isolated() {
  return { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
}
