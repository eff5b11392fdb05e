import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { internalError } from "../diagnostics/error.ts";
import type { ReportData } from "./data.ts";

/**
 * The page of a report: its data, its script and its style in one file. What may run is named by its hash, and nothing
 * is loaded: a name in a graph that looks like markup stays a name.
 */
export function pageOf(data: ReportData): string {
  const [script, style] = [asset("page.js"), asset("style.css")];
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
  ];
  const title = `${path.basename(data.file)}: report`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escaped(policy.join("; "))}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="tfc report">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<div id="page"><header><h1>${escaped(shortPath(data.file))}</h1></header><noscript>This page draws itself: it needs scripts to be allowed. tfc inspect says the same as text.</noscript></div>
<script type="application/json" id="data">${jsonInHtml(data)}</script>
<script type="module">${script}</script>
</body>
</html>
`;
}

/** `out/model.onnx` of a longer path: of a name alone it is not clear which model it is. */
function shortPath(file: string): string {
  return file.split(/[\\/]/).slice(-2).join("/");
}

/** JSON that cannot end the script it stands in, whatever names it holds. */
function jsonInHtml(data: object): string {
  return JSON.stringify(data).replaceAll("<", "\\u003c");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}

function hashOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}

/** What scripts/bundle.mjs made of the folder page/: seen from the sources, from dist, and from the bundled commands. */
function asset(name: string): string {
  const places = ["../../dist/report/", "../../report/", "../report/"];
  const file = places
    .map((place) => new URL(`${place}${name}`, import.meta.url))
    .find((url) => existsSync(url));
  if (file === undefined) throw internalError({}, `${name} is missing: the package was not built`);
  return readFileSync(file, "utf8");
}
