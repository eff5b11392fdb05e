/* The documentation as a site: `npm run docs` builds it into out/docs, `npm run docs:dev` serves it as it is written. */
import { defineConfig } from "vitepress";
import { codeTexts } from "../../dist/compiler/diagnostics/code-texts.js";
import { linkOf, rewrites, sidebar } from "./pages.mjs";

export default defineConfig({
  title: "tfc",
  description:
    "A compiler for ONNX decoder graphs: puts Tokenformer and LoRA adapters into Llama-family models",
  srcDir: "..",
  outDir: "../out/docs",
  cacheDir: "../out/.vitepress",
  srcExclude: ["{samples,test,bench,node_modules,dist,out,coverage,scripts}/**", "site/*.md"],
  rewrites,
  cleanUrls: true,
  lastUpdated: false,
  metaChunk: true,
  // The picture of the classes takes all the room that there is.
  transformPageData: (page) => {
    if (page.relativePath === "uml.md") page.frontmatter.aside = false;
  },
  markdown: {
    // Links to headings are written as GitHub names them.
    anchor: { slugify: headingOf },
    // Braces are what messages name, not attributes.
    attrs: { disable: true },
    config: (md) => {
      md.core.ruler.push("links-of-the-repository", (state) => {
        // Of a page that has another place in the site, realPath is its file.
        const { realPath, path } = state.env;
        for (const { children } of state.tokens) rewriteLinks(children ?? [], realPath ?? path);
      });
    },
    languageAlias: { console: "shellsession" },
  },
  themeConfig: {
    nav: [
      { text: "Guide", link: "/guide" },
      { text: "API", link: "/api" },
      { text: "Messages", link: "/errors" },
    ],
    sidebar: sidebar(codeTexts().map(({ code }) => code)),
    outline: [2, 3],
    search: { provider: "local" },
  },
});

/** A heading's name in addresses, as GitHub makes it: letters and digits, with hyphens for spaces. */
function headingOf(text) {
  return text
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M} _-]/gu, "")
    .replaceAll(" ", "-");
}

/** Links between files of the repository are those of their pages; what is no page is named, not linked. */
function rewriteLinks(tokens, from) {
  const open = [];
  for (const token of tokens) {
    if (token.type === "link_open") {
      const link = linkOf(token.attrGet("href") ?? "", from);
      if (typeof link === "string") token.attrSet("href", link);
      if (link === null) {
        Object.assign(token, { type: "code_open", tag: "span", attrs: null });
        open.push(true);
      } else open.push(false);
    } else if (token.type === "link_close" && open.pop() === true)
      Object.assign(token, { type: "code_close", tag: "span" });
  }
}
