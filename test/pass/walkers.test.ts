import { describe, expect, it } from "@jest/globals";
import { TfcError } from "../../compiler/diagnostics/error.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { nodesIn, type NodeVisitor } from "../../compiler/pass/node-walker.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { placesIn, type Found } from "../../compiler/pass/place-walker.ts";
import { runPasses, step, type PassResult } from "../../compiler/pass/runner.ts";
import type { Visitor } from "../../compiler/pass/visitor.ts";
import type { Walker } from "../../compiler/pass/walker.ts";
import { blocks, type BlockVisitor } from "../../compiler/recognize/blocks.ts";
import { modules, type ModuleVisitor } from "../../compiler/sites/modules.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { outlineAttention, outlineMlp } from "../../passes/index.ts";
import { randomDecoder } from "../support/random-decoder.ts";

const nested = `<ir_version: 10, opset_import: ["" : 21, "d" : 1]>
g (float x, bool c) => (float y) {
  a = Relu (x)
  y = If (c) <
    then_branch = then () => (float t) { t = Neg (a) },
    else_branch = else () => (float e) { e = Abs (a) }
  >
}
<domain: "d", opset_import: ["" : 21]>
f (x) => (y) { y = Exp (x) }
`;

function run<V extends object>(
  model: Model,
  walk: Walker<V>,
  visitor: Pass<object, V>["visitor"],
): PassResult {
  const pass: Pass<object, V> = {
    name: "p",
    summary: "",
    options: {},
    stats: [],
    requires: [],
    walk,
    visitor,
  };
  const [result] = runPasses(model, [step(pass)], new Sink());
  if (result === undefined) throw new Error("no result");
  return result;
}

/** What a visitor of nodes meets, in order. */
function met(walk: Walker<NodeVisitor>, over: Partial<NodeVisitor> = {}): string {
  const text: string[] = [];
  run(parseModel(nested), walk, () => ({
    model: { enter: () => void text.push("model("), exit: () => void text.push(")model") },
    graph: {
      enter: ({ name }) => void text.push(`${name}(`),
      exit: ({ name }) => void text.push(`)${name}`),
    },
    node: { enter: ({ op }) => void text.push(`${op}(`), exit: ({ op }) => void text.push(`)${op}`) },
    ...over,
  }));
  return text.join(" ");
}

describe("a walk of nodes", () => {
  it("enters and leaves what its scopes name", () => {
    expect(met(nodesIn("main"))).toBe("model( g( Relu( )Relu If( )If )g )model");
    expect(met(nodesIn("main", "subgraphs"))).toBe(
      "model( g( Relu( )Relu If( then( Neg( )Neg )then else( Abs( )Abs )else )If )g )model",
    );
    expect(met(nodesIn("functions"))).toBe("model( f( Exp( )Exp )f )model");
    expect(met(nodesIn())).toBe("model( )model");
  });

  it("leaves out what is inside of what is skipped, and ends when it is stopped", () => {
    const deep = nodesIn("main", "subgraphs");
    expect(met(deep, { ops: { If: () => "skip" } })).toBe("model( g( Relu( )Relu If( )g )model");
    expect(met(deep, { graph: ({ name }) => (name === "then" ? "skip" : undefined) })).toBe(
      "model( Relu( )Relu If( Abs( )Abs )If )model",
    );
    expect(met(deep, { ops: { Neg: () => "stop" } })).toBe("model( g( Relu( )Relu If( then( Neg(");
    expect(met(deep, { model: () => "skip" })).toBe("");
  });

  it("meets what is inserted behind the current node", () => {
    const ops: string[] = [];
    run(parseModel(nested), nodesIn("main"), ({ rewriter }) => ({
      node: (node) => {
        ops.push(node.op);
        if (node.op === "Relu")
          rewriter.insertAfter(node, rewriter.node({ op: "Erf", inputs: [node.result], loc: node.loc }));
      },
    }));
    expect(ops).toEqual(["Relu", "Erf", "If"]);
  });
});

interface TestEvents {
  readonly room: readonly [name: string];
  readonly chair: readonly [name: string, room: string];
}

const chair = (name: string): Found<TestEvents> => ({ event: "chair", at: [name, "of a room"] });
const house = placesIn<TestEvents>({
  events: ["room", "chair"],
  find: () => [
    { event: "room", at: ["a"], inside: [chair("a1"), chair("a2")] },
    { event: "room", at: ["b"], inside: [chair("b1")] },
  ],
});

/** What a visitor of places meets, in order. */
function toured(over: Partial<Visitor<TestEvents>> = {}): string {
  const text: string[] = [];
  run(parseModel(nested), house, () => ({
    model: { enter: () => void text.push("model("), exit: () => void text.push(")model") },
    room: { enter: (name) => void text.push(`${name}(`), exit: (name) => void text.push(`)${name}`) },
    chair: { enter: (name) => void text.push(`${name}(`), exit: (name) => void text.push(`)${name}`) },
    ...over,
  }));
  return text.join(" ");
}

describe("a walk of places", () => {
  it("enters all of them, then leaves all, inner ones before outer ones", () => {
    expect(toured()).toBe("model( a( a1( a2( b( b1( )a1 )a2 )a )b1 )b )model");
  });

  it("leaves out what is inside of what is skipped, and ends when it is stopped", () => {
    expect(toured({ room: (name) => (name === "a" ? "skip" : undefined) })).toBe("model( b1( )b1 )model");
    expect(toured({ chair: (name) => (name === "a2" ? "stop" : undefined) })).toBe("model( a(");
  });

  it("refuses edits on entering, where they would make untrue what was found; on leaving they count", () => {
    const edit = (phase: "enter" | "exit") => (): PassResult => {
      const model = parseModel(nested);
      return run(model, house, ({ rewriter }) => ({
        room: {
          [phase]: () => {
            rewriter.setOpset(model, "e", 1);
          },
        },
      }));
    };
    expect(edit("enter")).toThrow('it edits on entering "room", where it may only collect');
    expect(edit("exit")().changed).toBe(true);
  });
});

describe("before a walk", () => {
  it.each<[string, Walker<object>, object, string]>([
    ["an event", house, { chiar: () => undefined }, "chiar"],
    ["a phase", house, { room: { entry: () => undefined } }, "room.entry"],
    ["an event of another walk", house, { node: () => undefined }, "node"],
    ["a phase of nodes", nodesIn("main"), { node: { leave: () => undefined } }, "node.leave"],
    ["an op", nodesIn("main"), { ops: { "Mat Mul": () => undefined } }, "Mat Mul"],
    ["a block", blocks, { atention: () => undefined }, "atention"],
    ["a module", modules, { modul: () => undefined }, "modul"],
  ])("a visitor that misspells %s is refused", (_, walk, misspelt, key) => {
    const entered: string[] = [];
    const visitor = { model: () => void entered.push("model"), ...misspelt };
    expect(() => run(parseModel(nested), walk, () => visitor)).toThrow(
      `its visitor has a key "${key}" that no walk ever meets`,
    );
    expect(entered).toEqual([]);
  });

  it("edits made while the visitor is built are counted and verified", () => {
    const built = (breaks: boolean) => (): PassResult =>
      run(parseModel(nested), nodesIn("main"), ({ model, rewriter }) => {
        const { first } = model.graph;
        if (first === null) throw new Error("no nodes");
        if (breaks && first.next !== null) rewriter.moveAfter(first, first.next);
        else rewriter.setMeta(first, "seen", "yes");
        return {};
      });
    expect(built(false)().changed).toBe(true);
    expect(built(true)).toThrow(/it left a broken model .*NODE_ORDER/s);
  });

  it("an error while the visitor is built names the pass", () => {
    const build = (): PassResult =>
      run(parseModel(nested), nodesIn("main"), () => {
        throw new Error("oops");
      });
    expect(build).toThrow(TfcError);
    expect(build).toThrow("in p");
  });
});

describe("what is recognized in a decoder", () => {
  const { text, layers } = randomDecoder(3);

  function events(model: Model): readonly string[] {
    const seen: string[] = [];
    const visitor: BlockVisitor = {
      layer: { enter: ({ index }) => void seen.push(`layer ${index}`) },
      attention: (block, layer) => void seen.push(`${block.kind} ${layer.index}`),
      mlp: (block, layer) => void seen.push(`${block.kind} ${layer.index}`),
      moe: (block, layer) => void seen.push(`${block.kind} ${layer.index}`),
      site: ({ site }, layer) => void seen.push(`${site} site ${layer.index}`),
      miss: ({ code }) => void seen.push(code),
    };
    run(model, blocks, () => visitor);
    return seen;
  }

  const each = (names: (i: number) => readonly string[]): readonly string[] =>
    Array.from({ length: layers }, (_, i) => names(i)).flat();

  it("is met by layers, and once outlined as sites", () => {
    const model = parseModel(text);
    expect(events(model)).toEqual(each((i) => [`layer ${i}`, `attention ${i}`, `mlp ${i}`]));
    runPasses(model, [step(outlineAttention), step(outlineMlp)], new Sink());
    expect(events(model)).toEqual(each((i) => [`layer ${i}`, `attn site ${i}`, `mlp site ${i}`]));
  });

  it("is met with its norms, which are named by their weights or by where they are", () => {
    const { model } = openModel("samples/models/austen-llama/dynamo/model.onnx", new Sink());
    const names: string[] = [];
    const places: boolean[] = [];
    run(model, blocks, () => ({
      norm: ({ name, region, norm }) => {
        names.push(name);
        places.push(region !== null && norm.kind === "rms");
      },
    }));
    const wanted = Array.from({ length: 6 }, (_, i) => [
      `model.layers.${i}.input_layernorm`,
      `model.layers.${i}.post_attention_layernorm`,
    ]);
    expect(names).toEqual([...wanted.flat(), "model.norm"]);
    expect(places).toEqual(names.map(() => true));
  });

  it("is met between its embeddings and its head", () => {
    const { model } = openModel("samples/models/austen-llama/dynamo/model.onnx", new Sink());
    const met: string[] = [];
    run(model, blocks, () => ({
      embedding: (node) => void met.push(`${node.op} ${node.input(0)?.name ?? ""}`),
      layer: ({ index }) => void met.push(String(index)),
      head: ({ node, inFeatures }) => void met.push(`${node.op} of ${inFeatures}`),
    }));
    // Head and embeddings are tied: one initializer is both.
    const layers = Array.from({ length: 6 }, (_, i) => String(i));
    expect(met).toEqual(["Gather model.lm_head.weight", ...layers, "MatMul of 128"]);
  });

  it("is met as modules with their projections inside, then as the functions they share, once outlined", () => {
    const model = parseModel(text);
    runPasses(model, [step(outlineAttention), step(outlineMlp)], new Sink());
    const entered: string[] = [];
    const left: string[] = [];
    const bodies: string[] = [];
    const visitor: ModuleVisitor = {
      module: {
        enter: ({ name }) => void entered.push(name),
        exit: ({ name }) => void left.push(name),
      },
      projection: {
        enter: ({ name }) => void entered.push(name),
        exit: ({ name }) => void left.push(name),
      },
      body: ({ func, calls }) =>
        void bodies.push(`${func.name}: ${calls.map(({ ref: { layer } }) => layer).join(" ")}`),
    };
    run(model, modules, () => visitor);
    const all = each((i) => [String(i)]).join(" ");
    expect(bodies).toEqual([`SelfAttention: ${all}`, `Mlp: ${all}`]);
    const isModule = (name: string): boolean => /\.(self_attn|mlp)$/.test(name);
    expect(entered.filter(isModule)).toEqual(
      each((i) => [`model.layers.${i}.self_attn`, `model.layers.${i}.mlp`]),
    );
    // Behind each module come its projections, and on leaving they come before it.
    for (const name of entered.filter((one) => !isModule(one))) {
      const module = name.slice(0, name.lastIndexOf("."));
      expect(entered.indexOf(module)).toBeLessThan(entered.indexOf(name));
      expect(left.indexOf(name)).toBeLessThan(left.indexOf(module));
    }
    expect([...left].sort()).toEqual([...entered].sort());
    expect(entered.length).toBeGreaterThan(4 * layers);
  });
});
