/**
 * Prints docs/api.md from the documentation in the source: `npm run docs:api`.
 *
 * What an entry of the package exports is on the page, with all fields of its types, those of the types they extend
 * among them. A type in a signature that no entry exports, and an export without a comment, are errors.
 */
import { readFileSync, readdirSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { format } from "prettier";
import { Node, Project, SyntaxKind, TypeFormatFlags } from "ts-morph";

const root = resolve(import.meta.dirname, "..");
const entries = new Map([
  ["@tokenformer/tfc", "compiler/index.ts"],
  ["@tokenformer/tfc/config", "compiler/config/index.ts"],
  ["@tokenformer/tfc/runtime", "runtime/index.ts"],
  ["@tokenformer/tfc/jest", "compiler/testing/jest.ts"],
  ["@tokenformer/tfc/vitest", "compiler/testing/vitest.ts"],
]);

/** Names that have a heading. */
let onPage = new Set();

/** The page, formatted. @throws Error where something that is exported lacks its documentation */
export async function apiPage() {
  const project = new Project({
    tsConfigFilePath: resolve(root, "tsconfig.json"),
    skipAddingFilesFromTsConfig: true,
  });
  const sources = new Map(
    [...entries].map(([name, file]) => [name, project.addSourceFileAtPath(resolve(root, file))]),
  );
  project.resolveSourceFileDependencies();
  const problems = [];
  const exported = new Set(
    [...sources.values()].flatMap((source) => [...source.getExportedDeclarations().values()].flat()),
  );
  onPage = new Set([...sources.values()].flatMap((source) => [...source.getExportedDeclarations().keys()]));
  const context = { exported, problems, shown: new Map() };
  const parts = [...sources].map(([name, source]) => entryText(name, source, context));
  if (problems.length > 0) throw new Error([...new Set(problems)].join("\n"));
  const head = [
    "# API",
    "",
    "What the package exports, made from the comments in the source by `npm run docs:api`. The [guide](guide.md) has the same as commands; [errors](errors.md) explains the codes.",
    "",
    ...[...entries.keys()].map((name) => `- [${name}](#${anchor(name)})`),
    "",
  ];
  const options = { parser: "markdown", printWidth: 110 };
  return format([...head, ...parts].join("\n"), options);
}

function anchor(heading) {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(" ", "-");
}

function entryText(name, source, context) {
  const exported = [...source.getExportedDeclarations()].map(([as, [declaration]]) => ({ as, declaration }));
  // What two entries export is under the first of them.
  const all = exported.filter(({ declaration }) => !context.shown.has(declaration));
  const others = exported.flatMap(({ declaration }) => context.shown.get(declaration) ?? []);
  for (const { declaration } of all) context.shown.set(declaration, name);
  const about = [
    ...openingText(source.getFullText()),
    ...[...new Set(others)].map(
      (other) => `Exports of [${other}](#${anchor(other)}) are exports of this, too.`,
    ),
  ].flatMap((paragraph) => [paragraph, ""]);
  const isType = ({ declaration }) =>
    Node.isInterfaceDeclaration(declaration) || Node.isTypeAliasDeclaration(declaration);
  const sorted = [...all.filter((one) => !isType(one)), ...all.filter(isType)];
  return [`## ${name}`, "", ...about, ...sorted.map((one) => declarationText(one, context))].join("\n");
}

/** What the comment at the head of an entry says of all of it, where there is one. */
function openingText(text) {
  const [, comment] = /^\/\*\*((?:(?!\*\/)[\s\S])*)@packageDocumentation/.exec(text) ?? [];
  return comment === undefined ? [] : [comment.replace(/^ *\* ?/gm, "").trim()];
}

function declarationText({ as, declaration }, context) {
  const lines = [`### ${as}`, ""];
  const documented = Node.isVariableDeclaration(declaration)
    ? declaration.getVariableStatementOrThrow()
    : declaration;
  const doc = docOf(documented);
  if (doc === null) context.problems.push(`${placeOf(declaration)}: ${as} has no comment`);
  if (Node.isFunctionDeclaration(declaration)) {
    lines.push(code(`function ${signatureOf(declaration, as)}`), "", ...docLines(doc));
    checkNames(declaration, as, context);
  } else if (Node.isVariableDeclaration(declaration)) {
    lines.push(code(`const ${as}: ${typeText(declaration.getType(), declaration)}`), "", ...docLines(doc));
  } else if (Node.isClassDeclaration(declaration)) {
    lines.push(code(classHead(declaration, as)), "", ...docLines(doc), ...classLines(declaration, context));
  } else if (Node.isTypeAliasDeclaration(declaration)) {
    lines.push(code(`type ${as} = ${aliasText(declaration)}`), "", ...docLines(doc));
    checkNames(declaration, as, context);
  } else if (Node.isInterfaceDeclaration(declaration)) {
    lines.push(...docLines(doc), ...fieldLines(declaration, context));
  } else {
    context.problems.push(`${placeOf(declaration)}: ${as} is a ${declaration.getKindName()}`);
  }
  return lines.join("\n");
}

function placeOf(node) {
  return `${node
    .getSourceFile()
    .getFilePath()
    .slice(root.length + 1)}:${node.getStartLineNumber()}`;
}

function code(text) {
  return ["```ts", text, "```"].join("\n");
}

function signatureOf(node, name) {
  const parameters = node.getParameters().map((one) => {
    const optional = one.hasQuestionToken() || one.hasInitializer() ? "?" : "";
    const type = one.getTypeNode()?.getText() ?? typeText(one.getType(), one);
    const parameter = Node.isIdentifier(one.getNameNode()) ? one.getName() : "options";
    return `${parameter}${optional}: ${oneLine(type)}`;
  });
  const result = node.getReturnTypeNode()?.getText() ?? typeText(node.getReturnType(), node);
  return `${name}(${parameters.join(", ")}): ${result}`;
}

function typeText(type, at) {
  const flags = TypeFormatFlags.NoTruncation | TypeFormatFlags.UseAliasDefinedOutsideCurrentScope;
  return type.getText(at, flags).replace(/import\("[^"]*"\)\./g, "");
}

/** The type that is written; where it is made of a constant, the words it stands for, or the first of many. */
function aliasText(declaration) {
  const written = declaration.getTypeNodeOrThrow().getText();
  if (!written.includes("typeof ")) return written;
  const words = declaration
    .getType()
    .getUnionTypes()
    .map((one) => one.getText());
  return words.length > 20 ? `${words.slice(0, 3).join(" | ")} | …` : words.join(" | ");
}

function classHead(declaration, as) {
  const base = declaration.getExtends();
  return `class ${as}${base === undefined ? "" : ` extends ${base.getText()}`}`;
}

function classLines(declaration, context) {
  const isPublic = (one) => !one.getName?.().startsWith("#") && docOf(one)?.isInternal !== true;
  const lines = [];
  for (const made of declaration.getConstructors().filter(isPublic)) {
    lines.push(item(`new ${signatureOf(made, declaration.getName()).replace(/: \w+$/, "")}`, docOf(made)));
    checkNames(made, declaration.getName(), context);
  }
  for (const one of declaration
    .getMembers()
    .filter((member) => !Node.isConstructorDeclaration(member) && isPublic(member))) {
    const of = `${declaration.getName()}.${one.getName()}`;
    const isStatic = one.isStatic?.() ? "static " : "";
    const isAsync = Node.isMethodDeclaration(one);
    const text = isAsync
      ? signatureOf(one, one.getName())
      : `${one.getName()}: ${one.getTypeNode?.()?.getText() ?? one.getReturnTypeNode?.()?.getText() ?? typeText(one.getType(), one)}`;
    checkNames(one, of, context);
    lines.push(item(`${isStatic}${text}`, docOf(one)));
  }
  return [...lines, ""];
}

/** A line for each field of an interface, inherited ones too. */
function fieldLines(declaration, context) {
  const name = declaration.getName();
  const [bases, shown] = [[], []];
  // A type of the page is not repeated; one that is made of another is spelled out.
  for (const one of declaration.getExtends()) {
    const declared = one.getType().getSymbol()?.getDeclarations() ?? [];
    if (one.getTypeArguments().length === 0 && declared.some((base) => context.exported.has(base)))
      bases.push(one);
  }
  const inherited = new Set(
    bases.flatMap((one) =>
      one
        .getType()
        .getProperties()
        .map((property) => property.getName()),
    ),
  );
  if (bases.length > 0)
    shown.push(
      `The fields of ${bases.map((one) => `[\`${one.getText()}\`](#${anchor(one.getText())})`).join(" and ")}, and`,
      "",
    );
  const own = declaration
    .getType()
    .getProperties()
    .filter((property) => !inherited.has(property.getName()));
  const lines = own.map((property) => {
    const [field] = property.getDeclarations();
    const optional = property.isOptional() ? "?" : "";
    const isSignature = Node.isPropertySignature(field) || Node.isMethodSignature(field);
    if (!isSignature)
      return item(
        `${property.getName()}${optional}: ${typeText(property.getTypeAtLocation(declaration), declaration)}`,
        null,
      );
    checkNames(field, `${name}.${property.getName()}`, context);
    if (Node.isMethodSignature(field)) return item(signatureOf(field, field.getName()), docOf(field));
    const written = field.getTypeNode();
    // Types inside a type are fields of their own: shown below it, with their comments.
    const inner = innerLiteral(written);
    if (inner === null)
      return item(`${property.getName()}${optional}: ${oneLine(written?.getText() ?? "")}`, docOf(field));
    const outer = oneLine(written.getText().replace(inner.getText(), "{ … }"));
    const fields = inner
      .getMembers()
      .map((one) =>
        item(
          `${one.getName?.() ?? one.getText()}${one.hasQuestionToken?.() ? "?" : ""}: ${oneLine(one.getTypeNode?.()?.getText() ?? "")}`,
          docOf(one),
        ),
      );
    return [
      item(`${property.getName()}${optional}: ${outer}`, docOf(field)),
      ...fields.map((one) => `  ${one}`),
    ].join("\n");
  });
  return [...shown, ...lines, ""];
}

/** An object type in a field's type, where its fields have comments. */
function innerLiteral(type) {
  const inner = Node.isTypeLiteral(type) ? type : type?.getFirstDescendantByKind(SyntaxKind.TypeLiteral);
  return inner?.getMembers().some((one) => docOf(one) !== null) ? inner : null;
}

function oneLine(text) {
  return text
    .replace(/\s+/g, " ")
    .replace(/\breadonly (?=\w+\??:)/g, "")
    .replace(/; \}/g, " }");
}

function item(text, doc) {
  const throws = doc?.throws.map((one) => `Throws ${one}`) ?? [];
  const said = [doc?.text ?? "", ...throws]
    .map(sentence)
    .filter((one) => one !== "")
    .join(" ");
  return `- \`${text.replace(/^readonly /, "")}\`${said === "" ? "" : `: ${said}`}`;
}

/** One line that begins with a capital, as code does not, and ends with a full stop. */
function sentence(text) {
  const line = text.replace(/\s*\n\s*/g, " ").trim();
  return line === ""
    ? ""
    : `${line.replace(/^[a-z]/, (letter) => letter.toUpperCase())}${/[.…:!?]$/.test(line) ? "" : "."}`;
}

/** A comment taken apart, or null. */
function docOf(node) {
  const doc = node.getJsDocs?.().at(-1);
  if (doc === undefined) return null;
  const tags = (name) =>
    doc
      .getTags()
      .filter((tag) => tag.getTagName() === name)
      .map((tag) => ({ name: tag.getName?.() ?? "", text: plain(tag.getCommentText() ?? "") }));
  return {
    text: plain(doc.getDescription().trim()),
    params: tags("param"),
    returns: tags("returns").map((tag) => tag.text),
    throws: tags("throws").map((tag) => codes(tag.text.replace(/^TfcError\s*/, "").trim())),
    isInternal: tags("internal").length > 0,
    examples: tags("example").map(({ text }) =>
      text.trimStart().startsWith("```") ? text : code(text.trim()),
    ),
  };
}

function docLines(doc) {
  if (doc === null) return [];
  return [
    doc.text,
    "",
    ...doc.params.map(({ name, text }) => `- \`${name}\`: ${sentence(text)}`),
    "",
    ...doc.returns.flatMap((text) => [
      `Returns ${sentence(text).replace(/^./, (letter) => letter.toLowerCase())}`,
      "",
    ]),
    ...doc.throws.flatMap((text) => [`**Throws** ${sentence(text)}`, ""]),
    ...doc.examples.flatMap((text) => [text, ""]),
  ];
}

/** Codes of messages as code. @throws Error for one that there is not */
function codes(text) {
  return text.replace(/(?<!`)\b[A-Z]+(?:_[A-Z0-9]+)*(?:_\*|(?<=_[A-Z0-9]+)\b)/g, (code) => {
    if (!knownCodes.some((one) => (code.endsWith("*") ? one.startsWith(code.slice(0, -1)) : one === code)))
      throw new Error(`a comment speaks of the code ${code}, which there is not: ${text}`);
    return `\`${code}\``;
  });
}

const folder = resolve(root, "compiler/diagnostics");
const knownCodes = readdirSync(folder)
  .filter((file) => file.startsWith("codes-"))
  .flatMap((file) => [...readFileSync(resolve(folder, file), "utf8").matchAll(/^ {2}([A-Z0-9_]+): /gm)])
  .map(([, code]) => code);

/** `{@link X}` is a link where X is on the page, and else code. */
function plain(text) {
  return text.replace(/\{@link ([^}|\s]+)[^}]*\}/g, (_, name) =>
    onPage.has(name) ? `[\`${name}\`](#${anchor(name)})` : `\`${name}\``,
  );
}

/** Types of this package that a reader of the page would look for in vain. */
function checkNames(node, where, { exported, problems }) {
  const roots =
    Node.isFunctionDeclaration(node) || Node.isMethodDeclaration(node) || Node.isConstructorDeclaration(node)
      ? [...node.getParameters().map((one) => one.getTypeNode()), node.getReturnTypeNode?.()]
      : [node];
  for (const part of roots.filter((one) => one !== undefined)) {
    for (const reference of [part, ...part.getDescendants()].filter(Node.isTypeReference)) {
      const symbol =
        reference.getTypeName().getSymbol()?.getAliasedSymbol() ?? reference.getTypeName().getSymbol();
      const declared = symbol?.getDeclarations() ?? [];
      const isOurs = declared.some(
        (one) =>
          !one.getSourceFile().isInNodeModules() &&
          !Node.isTypeParameterDeclaration(one) &&
          one.getSourceFile().getFilePath().startsWith(root),
      );
      if (isOurs && !declared.some((one) => exported.has(one)))
        problems.push(`${placeOf(node)}: ${where} speaks of ${symbol.getName()}, which nothing exports`);
    }
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.stdout.write(await apiPage());
}
