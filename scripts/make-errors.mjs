/**
 * Prints docs/errors.md, made from the table in compiler/diagnostics/codes.ts. Runs what `npm run build` makes.
 *
 *     node scripts/make-errors.mjs > docs/errors.md
 */
import { fileURLToPath } from "node:url";

/** The page as it should be. */
export async function errorsPage() {
  const { codeTexts } = await import("../dist/compiler/diagnostics/code-texts.js");
  const rows = codeTexts().map(({ code: id, severity, what, wanted = "", fix = "" }) => {
    return `| \`${id}\` | ${[severity, what, wanted, fix].map(cell).join(" | ")} |`;
  });
  return `# Messages

Every message has a stable code: scripts may rely on it. In the texts below, \`{name}\` stands for what the message names.

An error ends the command with status 1, a bug of tfc (\`INTERNAL\`) with 70. Warnings and notes go to stderr and leave the status at 0; \`--strict\` makes the warnings of \`tfc compile\` an error. Reasons for not recognizing a block have codes of their own: see [outline-attention](passes/outline-attention.md#what-it-refuses) and [outline-mlp](passes/outline-mlp.md#what-it-refuses).

A message in full says what failed, where (file, place in the graph, node, op, pass), what was wanted and what was found, and what to do:

\`\`\`text
model.onnx: error EXTERNAL_DATA_MISSING: the external data file "model.onnx.data" is missing; 56 tensors need it
  wanted the file beside the model, found none
  fix: put the file there, or give --allow-missing-weights to work on the graph alone
\`\`\`

With \`--json\`, a command that fails before it has a result prints one object on stdout as well: \`{"error": {"kind", "code", "diagnostics", "warnings"}}\`. \`kind\` is \`input\`, \`pass\` or \`internal\`; each of the \`diagnostics\`, and of the \`warnings\` and notes that were reported before, has \`code\`, \`severity\`, \`place\`, \`what\` and, where there are any, \`wanted\`, \`found\` and \`fix\`. Where the result itself tells of the failure, as that of \`tfc verify\` does, it is the one object.

This page is generated: \`npm run docs:errors\` writes it from [codes.ts](../compiler/diagnostics/codes.ts).

<!-- prettier-ignore-start -->

| code | severity | what | wanted | fix |
|---|---|---|---|---|
${rows.join("\n")}

<!-- prettier-ignore-end -->
`;
}

/** A cell holds no line break, and a bar would end it. */
function cell(text) {
  return String(text).replaceAll("|", "\\|").replaceAll("\n", " ").replaceAll("<", "&lt;");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(await errorsPage());
