import { describe, expect, it } from "@jest/globals";
import type { Node } from "../../compiler/ir/node.ts";
import { nodesDeep } from "../../compiler/ir/walk.ts";
import { letters, nodeOf, order } from "./graphs.ts";

type Letters = ReturnType<typeof letters>;

/** Walks A B C D, makes an edit when a node is reached, and tells what was met. */
function met(reached: string, edit: (graph: Letters) => void): string {
  const graph = letters("ABCD");
  let text = "";
  for (const node of graph.graph.nodes) {
    text += node.name ?? "?";
    if (node.name === reached) edit(graph);
    if (text.length > 20) throw new Error(`an endless walk: ${text}`);
  }
  return text;
}

describe("a walk of a graph's nodes", () => {
  it("meets all of them in order, and leaves nothing behind", () => {
    const { graph } = letters("ABCD");
    expect([...graph.nodes].map((node) => node.name).join("")).toBe("ABCD");
    expect(graph.walks).toEqual([]);
  });

  it("that is broken off leaves nothing behind", () => {
    const { graph } = letters("ABCD");
    for (const node of graph.nodes) if (node.name === "B") break;
    const [first] = graph.nodes;
    expect(first?.name).toBe("A");
    expect(() => {
      for (const node of graph.nodes) throw new Error(node.name);
    }).toThrow("A");
    expect(graph.walks).toEqual([]);
  });

  it.each<[string, string, (g: Letters) => void]>([
    [
      "the current one moved on",
      "ABCD",
      ({ rw, at }) => {
        rw.moveAfter(at("A"), at("C"));
      },
    ],
    [
      "the current one moved to the end",
      "ABCD",
      ({ rw, at }) => {
        rw.moveAfter(at("A"), at("D"));
      },
    ],
    [
      "the next one moved on",
      "ACBD",
      ({ rw, at }) => {
        rw.moveAfter(at("B"), at("C"));
      },
    ],
    [
      "a later one moved next",
      "ADBC",
      ({ rw, at }) => {
        rw.moveAfter(at("D"), at("A"));
      },
    ],
    [
      "a later one moved in front",
      "ABCD",
      ({ rw, at }) => {
        rw.moveBefore(at("D"), at("A"));
      },
    ],
    [
      "the next one moved in front",
      "ACDB",
      ({ rw, at }) => {
        rw.moveBefore(at("B"), at("A"));
      },
    ],
    [
      "all others moved in front",
      "ABCD",
      ({ rw, at }) => {
        for (const n of "BCD") rw.moveBefore(at(n), at("A"));
      },
    ],
    [
      "one inserted behind",
      "AXBCD",
      ({ rw, at, make }) => {
        rw.insertAfter(at("A"), make("X"));
      },
    ],
    [
      "one inserted in front",
      "ABCD",
      ({ rw, at, make }) => {
        rw.insertBefore(at("A"), make("X"));
      },
    ],
    [
      "one appended",
      "ABCDX",
      ({ rw, graph, make }) => {
        rw.append(graph, make("X"));
      },
    ],
    [
      "the current one removed",
      "ABCD",
      ({ rw, at }) => {
        rw.remove(at("A"));
      },
    ],
    [
      "the next one removed",
      "ACD",
      ({ rw, at }) => {
        rw.remove(at("B"));
      },
    ],
    [
      "the current and the next one removed",
      "ACD",
      ({ rw, at }) => {
        rw.remove(at("A"));
        rw.remove(at("B"));
      },
    ],
    [
      "all removed",
      "A",
      ({ rw, at }) => {
        for (const n of "DCBA") rw.remove(at(n));
      },
    ],
    [
      "one inserted after the current one was removed",
      "AXBCD",
      ({ rw, at, make }) => {
        rw.remove(at("A"));
        rw.insertBefore(at("B"), make("X"));
      },
    ],
    [
      "one appended after all were removed",
      "AX",
      ({ rw, graph, at, make }) => {
        for (const n of "ABCD") rw.remove(at(n));
        rw.append(graph, make("X"));
      },
    ],
    [
      "one inserted behind the current one, which was moved on",
      "ABCXD",
      ({ rw, at, make }) => {
        rw.moveAfter(at("A"), at("C"));
        rw.insertAfter(at("A"), make("X"));
      },
    ],
    [
      "one inserted where the current one stood before it was moved",
      "AXBCD",
      ({ rw, at, make }) => {
        rw.moveAfter(at("A"), at("C"));
        rw.insertBefore(at("B"), make("X"));
      },
    ],
    [
      "one taken out and put back",
      "ACDB",
      ({ rw, graph, at }) => {
        rw.remove(at("B"));
        rw.append(graph, at("B"));
      },
    ],
    [
      "the current one taken out and put back",
      "ABCD",
      ({ rw, graph, at }) => {
        rw.remove(at("A"));
        rw.append(graph, at("A"));
      },
    ],
  ])("at A, with %s, meets %s", (_, wanted, edit) => {
    expect(met("A", edit)).toBe(wanted);
  });

  it.each<[string, string, (g: Letters) => void]>([
    [
      "the current one moved to the beginning",
      "ABCD",
      ({ rw, at }) => {
        rw.moveBefore(at("C"), at("A"));
      },
    ],
    [
      "one inserted behind the current one at the beginning",
      "ABCDX",
      ({ rw, at, make }) => {
        rw.moveBefore(at("C"), at("A"));
        rw.insertAfter(at("C"), make("X"));
      },
    ],
    [
      "one that was met moved behind",
      "ABCD",
      ({ rw, at }) => {
        rw.moveAfter(at("A"), at("D"));
      },
    ],
    [
      "one inserted behind one that was met and moved behind",
      "ABCDX",
      ({ rw, at, make }) => {
        rw.moveAfter(at("A"), at("D"));
        rw.insertAfter(at("A"), make("X"));
      },
    ],
    [
      "those met before removed",
      "ABCD",
      ({ rw, at }) => {
        rw.remove(at("A"));
        rw.remove(at("B"));
      },
    ],
    [
      "all met removed, and one inserted",
      "ABCXD",
      ({ rw, at, make }) => {
        for (const n of "ABC") rw.remove(at(n));
        rw.insertBefore(at("D"), make("X"));
      },
    ],
    [
      "one inserted in front of one met",
      "ABCD",
      ({ rw, at, make }) => {
        rw.insertAfter(at("A"), make("X"));
      },
    ],
  ])("at C, with %s, meets %s", (_, wanted, edit) => {
    expect(met("C", edit)).toBe(wanted);
  });

  it("at the last node goes on with what is inserted behind it", () => {
    expect(
      met("D", ({ rw, at, make }) => {
        rw.insertAfter(at("D"), make("X"));
      }),
    ).toBe("ABCDX");
    expect(
      met("D", ({ rw, graph, at, make }) => {
        rw.remove(at("D"));
        rw.append(graph, make("X"));
      }),
    ).toBe("ABCDX");
  });

  it("is not disturbed by another walk of the same graph", () => {
    const { rw, graph, at } = letters("ABCD");
    let text = "";
    for (const outer of graph.nodes) {
      text += ` ${outer.name ?? ""}:`;
      for (const inner of graph.nodes) {
        text += inner.name ?? "";
        if (outer.name === "B" && inner.name === "C") rw.moveBefore(at("D"), at("A"));
      }
    }
    expect(text).toBe(" A:ABCD B:ABCD C:DABC D:DABC");
  });

  it("of another graph does not meet a node that was moved there before", () => {
    const { rw, graph, at } = letters("ABC");
    const other = letters("XY");
    const text: string[] = [];
    for (const node of graph.nodes) {
      text.push(node.name ?? "");
      if (node.name === "A") rw.moveAfter(at("B"), other.at("X"));
    }
    expect(text.join("")).toBe("AC");
    expect([order(graph), order(other.graph)]).toEqual(["AC", "XBY"]);
  });
});

describe("a walk of nodes and of the graphs inside them", () => {
  it("meets outer nodes before inner ones, and leaves out what is inside a removed node", () => {
    const { rw, graph } = letters("A");
    const inner = letters("XY").graph;
    const holder = rw.append(graph, nodeOf(rw, "If", [], [inner]));
    rw.append(graph, nodeOf(rw, "Last", []));
    expect(opsOf(nodesDeep(graph))).toEqual(["Constant", "If", "Constant", "Constant", "Last"]);
    const seen: Node[] = [];
    for (const node of nodesDeep(graph)) {
      seen.push(node);
      if (node === holder) rw.remove(node);
    }
    expect(opsOf(seen)).toEqual(["Constant", "If", "Last"]);
    expect([graph.walks, inner.walks]).toEqual([[], []]);
  });

  it("that is broken off leaves nothing behind", () => {
    const { rw, graph } = letters("A");
    const inner = letters("XY").graph;
    rw.append(graph, nodeOf(rw, "If", [], [inner]));
    for (const node of nodesDeep(graph)) if (node.name === "X") break;
    expect([graph.walks, inner.walks]).toEqual([[], []]);
  });
});

function opsOf(nodes: Iterable<Node>): readonly string[] {
  return [...nodes].map((node) => node.op);
}
