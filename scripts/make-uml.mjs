/**
 * Writes docs/uml.svg, the classes of passes, visitors, sites and adapters, drawn from the sources: `npm run docs:uml`.
 *
 * Which types are drawn is listed below. What is in them, what each extends, which of them its fields hold, and which
 * passes there are for each visitor is read from the code.
 */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Node, Project, SyntaxKind, TypeFormatFlags } from "ts-morph";
import { drawn } from "./uml/draw.mjs";

const root = resolve(import.meta.dirname, "..");

/** The types that are drawn, by their files, in the groups that they are drawn in. */
const groups = {
  passes: {
    "compiler/pass/pass.ts": ["Pass", "Context", "Invariant"],
    "compiler/pass/walker.ts": ["Walker"],
    "compiler/ir/rewriter.ts": ["Rewriter"],
  },
  visitors: {
    "compiler/pass/visitor.ts": ["ModelVisitor"],
    "compiler/pass/node-walker.ts": ["NodeVisitor"],
    "compiler/recognize/blocks.ts": ["BlockVisitor"],
    "compiler/sites/modules.ts": ["ModuleVisitor"],
  },
  sites: {
    "compiler/sites/site.ts": ["SiteRef", "SiteMark", "Site"],
    "compiler/sites/places.ts": ["PlaceBase", "ModulePlace", "StepPlace", "ProjectionPlace", "Width"],
  },
  adapters: {
    "compiler/adapters/kind.ts": ["AdapterKind", "Leaf", "Growth", "BodyContext"],
  },
  decoder: {
    "compiler/recognize/decoder.ts": ["DecoderView", "Layer"],
    "compiler/recognize/attention/attention.ts": ["Attention"],
    "compiler/recognize/mlp/mlp.ts": ["Mlp"],
  },
};

/** What passes are taken to, by their visitors. */
const walked = {
  NodeVisitor: "nodes",
  BlockVisitor: "blocks",
  ModuleVisitor: "modules",
  ModelVisitor: "the model",
};

/** Members of a type that are drawn. */
const MOST = 9;

/** The picture, as it should be. */
export function umlPicture() {
  const project = new Project({
    tsConfigFilePath: resolve(root, "tsconfig.json"),
    skipAddingFilesFromTsConfig: true,
  });
  const at = (file) => project.addSourceFileAtPath(resolve(root, file));
  const boxes = Object.entries(groups).flatMap(([group, files]) =>
    Object.entries(files).flatMap(([file, names]) => names.map((name) => boxOf(at(file), file, name, group))),
  );
  const names = new Set(boxes.map(({ name }) => name));
  const edges = boxes.flatMap((box) => relationsOf(box, names));
  for (const one of [...passBoxes(at("passes/index.ts")), kindsBox(at("compiler/adapters/index.ts"))]) {
    boxes.push(one);
    edges.push({ from: one.name, to: one.of, kind: "realizes" });
    if (one.visitor !== undefined)
      edges.push({ from: one.name, to: one.visitor, kind: "uses", label: "visitor" });
  }
  return drawn(
    boxes.map(({ name, group, stereotype, members }) => ({ name, group, stereotype, members })),
    edges,
  );
}

function boxOf(source, file, name, group) {
  const found = source.getInterface(name) ?? source.getClass(name) ?? source.getTypeAlias(name);
  if (found === undefined) throw new Error(`${file} has no type ${name}`);
  const isClass = Node.isClassDeclaration(found);
  const members = (isClass ? publicOf(found) : found.getType().getProperties()).map((one) =>
    memberOf(one, found),
  );
  const shown = members.slice(0, MOST);
  if (members.length > MOST) shown.push({ text: `… ${members.length - MOST} more`, type: null });
  return {
    ...{ name, group, found },
    stereotype: isClass ? "class" : Node.isTypeAliasDeclaration(found) ? "type" : "interface",
    members: shown.map(({ text }) => text),
    fields: members,
  };
}

/** Names of methods, once each, and what is no implementation detail. */
function publicOf(found) {
  return found
    .getType()
    .getProperties()
    .filter((one) => !one.getName().startsWith("__#"));
}

function memberOf(symbol, place) {
  const declaration = symbol.getDeclarations()[0] ?? place;
  const type = symbol.getTypeAtLocation(place);
  const isCall = type.getCallSignatures().length > 0;
  const name = `${symbol.getName()}${symbol.isOptional() ? "?" : ""}`;
  const written = Node.isPropertySignature(declaration) ? declaration.getTypeNode()?.getText() : undefined;
  const text = written ?? type.getText(place, TypeFormatFlags.UseAliasDefinedOutsideCurrentScope);
  const plain = text
    .replace(/\breadonly /g, "")
    .replace(/import\([^)]*\)\./g, "")
    .replace(/\s+/g, " ");
  return { name: symbol.getName(), text: isCall ? `${name}()` : shortened(`${name}: ${plain}`), type: plain };
}

function shortened(text) {
  return text.length <= 38 ? text : `${text.slice(0, 37)}…`;
}

/** What a type extends, and which of the drawn types its fields hold. */
function relationsOf({ name, found, fields }, names) {
  const parents = Node.isInterfaceDeclaration(found)
    ? found.getExtends().map((one) => one.getExpression().getText())
    : Node.isTypeAliasDeclaration(found) && found.getName() !== "ModelVisitor"
      ? ["ModelVisitor"]
      : [];
  const edges = parents.filter((one) => names.has(one)).map((to) => ({ from: name, to, kind: "extends" }));
  const inherited = new Set(
    Node.isInterfaceDeclaration(found)
      ? found.getExtends().flatMap((one) =>
          one
            .getType()
            .getProperties()
            .map((p) => p.getName()),
        )
      : [],
  );
  if (Node.isClassDeclaration(found)) return edges;
  const held = new Map();
  for (const field of fields) {
    if (inherited.has(field.name)) continue;
    for (const [word] of (field.type ?? "").matchAll(/[A-Z]\w+/g))
      if (names.has(word) && word !== name && !held.has(word)) held.set(word, field.name);
  }
  return [...edges, ...[...held].map(([to, label]) => ({ from: name, to, kind: "holds", label }))];
}

/** Passes, by the visitor that they have. A pass has the name of its file. */
function passBoxes(registry) {
  const all = registry
    .getVariableDeclarationOrThrow("passes")
    .getInitializerIfKindOrThrow(SyntaxKind.ArrayLiteralExpression);
  const by = new Map();
  for (const element of all.getElements()) {
    const declaration = element.getSymbolOrThrow().getAliasedSymbolOrThrow().getDeclarations()[0];
    const [, visits] = declaration.getType().getTypeArguments();
    const visitor = visits?.getAliasSymbol()?.getName();
    by.set(visitor, [...(by.get(visitor) ?? []), declaration.getSourceFile().getBaseNameWithoutExtension()]);
  }
  return [...by].map(([visitor, names]) => {
    const what = walked[visitor];
    if (what === undefined) throw new Error(`${names.join(", ")}: no visitor ${visitor} is drawn`);
    const own = { name: `passes over ${what}`, group: "passes", stereotype: "objects", members: names };
    return { ...own, of: "Pass", visitor };
  });
}

function kindsBox(source) {
  const declaration = source.getVariableDeclarationOrThrow("adapterKinds");
  const kinds = declaration
    .getDescendantsOfKind(SyntaxKind.Identifier)
    .filter((one) => one.getType().getSymbol()?.getName() === "AdapterKind")
    .map((one) => one.getText())
    .filter((one) => one !== "AdapterKind");
  return {
    name: "adapter kinds",
    group: "adapters",
    stereotype: "objects",
    members: [...new Set(kinds)],
    of: "AdapterKind",
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(resolve(root, "docs/uml.svg"), umlPicture());
