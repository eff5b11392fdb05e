/* A page for each message: what it says, and how it was said to somebody. */
import { readFileSync } from "node:fs";
import { codeTexts } from "../../dist/compiler/diagnostics/code-texts.js";

const examples = JSON.parse(readFileSync(new URL("../../docs/errors-seen.json", import.meta.url), "utf8"));

export default {
  paths: () => codeTexts().map((one) => ({ params: { code: one.code }, content: pageOf(one) })),
};

function pageOf({ code, severity, what, wanted, found, fix }) {
  const rows = [
    ["Says", what],
    ["Wanted", wanted],
    ["Found", found],
    ["What to do", fix],
  ].filter(([, text]) => text !== undefined);
  const example = examples[code];
  return [
    `# ${code}`,
    `${{ error: "An error", warning: "A warning", note: "A note" }[severity]}. In these texts \`{name}\` stands for what the message names.`,
    rows.map(([label, text]) => `- **${label}**: ${escaped(text)}`).join("\n"),
    ...(example === undefined
      ? []
      : ["## Seen", "```sh", `tfc ${example.command}`, "```", "```text", example.message, "```"]),
    "[All messages](/errors)",
  ]
    .join("\n\n")
    .replaceAll(/(```sh|```text)\n\n/g, "$1\n")
    .replaceAll(/\n\n```(?=\n\n|$)/g, "\n```");
}

function escaped(text) {
  return text
    .replace(/[<&]/g, (sign) => ({ "<": "&lt;", "&": "&amp;" })[sign])
    .replaceAll("{{", "&#123;&#123;");
}
