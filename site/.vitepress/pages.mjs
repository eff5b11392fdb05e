/* Which files of the repository are pages of the site, and where. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { freshNames } from "../../dist/compiler/adapters/index.js";
import { passes } from "../../dist/passes/index.js";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/** Pages outside docs/, by their files. */
const outside = new Map([
  ["README.md", "index.md"],
  ["ARCHITECTURE.md", "architecture.md"],
  ["CONTRIBUTING.md", "contributing.md"],
  ["CHANGELOG.md", "changelog.md"],
]);

/** The page of a file, `passes/outline-mlp.md`; null for what is none. @param file from the repository's root */
export function pageOf(file) {
  if (outside.has(file)) return outside.get(file);
  return file.startsWith("docs/") && file.endsWith(".md") ? file.slice("docs/".length) : null;
}

/** What vitepress is to rename. */
export const rewrites = {
  ...Object.fromEntries(outside),
  "docs/:path*": ":path*",
  "site/errors/:code": "errors/:code",
};

/**
 * Where a link leads: an address in the site; null for a file that is no page, undefined for other addresses.
 *
 * @throws Error where there is no such file: the build fails
 */
export function linkOf(target, from) {
  if (/^[a-z]+:|^#|^\//.test(target)) return undefined;
  const [path, anchor] = target.split("#");
  const file = relative(root, resolve(dirname(from), decodeURI(path)));
  if (!existsSync(join(root, file)))
    throw new Error(`${relative(root, from)} links to ${target}, which is not there`);
  const page = pageOf(file);
  const index = folders[file];
  if (page === null && index === undefined) return null;
  const address = `/${(page ?? index).replace(/(^|\/)index\.md$/, "$1").replace(/\.md$/, "")}`;
  return anchor === undefined ? address : `${address}#${anchor}`;
}

/** Folders that links lead to, by a page that stands for them. */
const folders = {
  docs: "guide.md",
  "docs/decisions": "decisions/0001-skeleton-import.md",
  "docs/kinds": "kinds/scalarlm.md",
  "docs/passes": "passes/inline-functions.md",
};

/** An item of the sidebar; none where the page does not exist. */
function item(file, text) {
  if (!existsSync(join(root, file))) return [];
  return [{ text: text ?? titleOf(file), link: `/${pageOf(file).replace(/\.md$/, "")}` }];
}

/** Steps of the way, in their order. */
function numbered(steps) {
  const items = steps.flatMap(([file, text]) => item(file, text));
  return items.map(({ text, link }, i) => ({ text: `${i + 1}. ${text}`, link }));
}

function titleOf(file) {
  return /^# (.*)$/m.exec(readFileSync(join(root, file), "utf8"))?.[1].replaceAll("`", "") ?? file;
}

function pagesIn(folder) {
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".md"))
    .sort()
    .flatMap((name) => item(`${folder}/${name}`));
}

/** @param codes of messages */
export function sidebar(codes) {
  const kinds = freshNames;
  return [
    {
      text: "Guide",
      items: [
        { text: "Start", link: "/" },
        ...numbered([
          ["docs/export.md", "Export"],
          ["docs/guide.md", "Inspect, compile, run"],
          ["docs/adapters.md", "Adapters"],
          ["docs/train.md", "Train"],
          ["docs/generate.md", "Generate"],
          ["docs/serve.md", "Serve"],
          ["docs/build-step.md", "As a build step"],
          ["docs/bindings.md", "Typed bindings"],
          ["docs/testing.md", "Test"],
          ["docs/report.md", "Report"],
          ["docs/scale.md", "Deploy"],
        ]),
        ...item("docs/cuda.md", "On CUDA and WebGPU"),
      ],
    },
    {
      text: "Reference",
      items: [
        ...[
          "library",
          "api",
          "compiled-models",
          "training-graph",
          "supported-models",
          "styles",
          "fusions",
          "benchmarks",
        ].flatMap((name) => item(`docs/${name}.md`)),
      ],
    },
    {
      text: "Adapter kinds",
      collapsed: true,
      items: kinds.flatMap((name) => item(`docs/kinds/${name}.md`, name)),
    },
    {
      text: "Passes, in their order",
      collapsed: true,
      items: passes.flatMap(({ name }) => item(`docs/passes/${name}.md`, name)),
    },
    {
      text: "Messages",
      collapsed: true,
      items: [
        { text: "All messages", link: "/errors" },
        ...codes.map((code) => ({ text: code, link: `/errors/${code}` })),
      ],
    },
    {
      text: "Inside",
      collapsed: true,
      items: [
        { text: "Architecture", link: "/architecture" },
        ...item("docs/uml.md"),
        { text: "Contributing", link: "/contributing" },
        { text: "Changelog", link: "/changelog" },
        { text: "Decisions", collapsed: true, items: pagesIn("docs/decisions") },
      ],
    },
  ];
}
