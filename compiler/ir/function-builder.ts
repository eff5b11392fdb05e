import type { Attribute } from "./attribute.ts";
import { atEnd, Builder } from "./builder.ts";
import type { Loc } from "./entity.ts";
import type { Graph } from "./graph.ts";
import type { Func } from "./model.ts";
import type { Rewriter } from "./rewriter.ts";
import type { Value } from "./value.ts";

/** Writes the body of a new function. Its nodes have no names: runtimes tell them apart by the call's. */
export class FunctionBuilder extends Builder {
  /** What it writes. */
  readonly body: Graph;

  /** @param opset version of the default domain in the model that the function is for */
  constructor(rw: Rewriter, loc: Loc, name: string, opset: number) {
    const body = rw.graph(loc, name);
    super(rw, atEnd(body), { loc, opset, namesNodes: false });
    this.body = body;
  }

  input(name: string): Value {
    const value = this.rewriter.value(this.loc, name);
    this.rewriter.addInput(this.body, value);
    return value;
  }

  /** The finished function. `of` is one whose attributes it takes, too. */
  finish(domain: string, name: string, outputs: readonly Value[], of?: Func): Func {
    outputs.forEach((value, i) => {
      this.rewriter.setOutput(this.body, i, value);
    });
    const { parameters = [], defaults = new Map<string, Attribute>() } = of ?? {};
    const opsets = new Map([["", this.opset]]);
    return this.rewriter.func(this.loc, { domain, name }, this.body, opsets, { parameters, defaults });
  }
}
