import type { Graph } from "../../compiler/ir/graph.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { dropIfUnread, replaceBy } from "../../compiler/ir/rewrite.ts";
import { Rewriter } from "../../compiler/ir/rewriter.ts";
import { tensorOf } from "../../compiler/ir/scalar.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { Prng } from "../support/prng.ts";
import { emptyModel, loc } from "./graphs.ts";
import { ListModel, ListWalk, type ModelNode } from "./list-model.ts";

/** A graph and its model, edited alike at random. Edits that would break the order of definitions are not made. */
export class RandomEdits {
  readonly model: Model;
  readonly list = new ListModel();
  readonly rw = new Rewriter();
  readonly values = new Map<number, Value>();
  readonly nodes = new Map<ModelNode, Node>();
  readonly random: Prng;
  /** The edits made, for the report of a failure. */
  readonly log: string[] = [];
  #ids = 0;

  constructor(seed: number, size: number) {
    this.random = new Prng(seed);
    this.model = emptyModel(this.rw);
    this.#addInput();
    this.#addInitializer();
    for (let i = 0; i < size; i++) this.#insert();
    this.#setOutput();
    this.#setOutput();
  }

  get graph(): Graph {
    return this.model.graph;
  }

  /** Makes one edit, if the one that is chosen can be made. */
  edit(): void {
    const edits = [
      ...[this.#insert, this.#insert, this.#move, this.#move, this.#move, this.#remove],
      ...[this.#setInput, this.#replaceUses, this.#replaceUsesInNodes, this.#setOutput, this.#addInput],
      ...[
        this.#addInitializer,
        this.#removeInput,
        this.#removeInitializer,
        this.#replaceBy,
        this.#dropIfUnread,
      ],
      this.#removeNodeInput,
    ];
    this.random.of(edits).call(this);
  }

  /** Begins a walk of the graph, and gives what compares its next step with the model's. */
  walk(): () => { readonly wanted: Node | null; readonly found: Node | null } {
    const expected = new ListWalk(this.list);
    this.list.walks.push(expected);
    const nodes = this.graph.nodes[Symbol.iterator]();
    return () => {
      const wanted = expected.next();
      const step = nodes.next();
      if (wanted === null) this.list.walks.splice(this.list.walks.indexOf(expected), 1);
      return {
        wanted: wanted === null ? null : (this.nodes.get(wanted) ?? null),
        found: step.done === true ? null : step.value,
      };
    };
  }

  /** Places a new node of one or two outputs that reads what is defined before it. */
  #insert(): void {
    const at = this.random.below(this.list.nodes.length + 1);
    const readable = this.list.readableAt(at);
    const read = (): number | null => (this.random.below(5) === 0 ? null : this.random.of(readable));
    const inputs = Array.from({ length: this.random.below(4) }, read);
    this.#place(inputs, 1 + this.random.below(2), at);
  }

  #place(inputs: (number | null)[], outputs: number, at: number): ModelNode {
    const made = this.rw.node({
      op: "Op",
      name: `n${this.#ids}`,
      inputs: inputs.map((id) => (id === null ? null : this.#value(id))),
      outputs: Array.from({ length: outputs }, (_, i) => `v${this.#ids}_${i}`),
      loc,
    });
    const node = { id: this.#ids++, inputs, outputs: made.outputs.map((value) => this.#known(value)) };
    this.nodes.set(node, made);
    this.#log(`insert ${node.id} at ${at}`);
    const [before, after] = [this.list.nodes[at - 1], this.list.nodes[at]];
    this.list.place(node, at);
    if (before !== undefined) this.rw.insertAfter(this.#node(before), made);
    else if (after !== undefined) this.rw.insertBefore(this.#node(after), made);
    else this.rw.append(this.graph, made);
    return node;
  }

  #move(): void {
    const { nodes } = this.list;
    if (nodes.length < 2) return;
    const [node, anchor] = [this.random.of(nodes), this.random.of(nodes)];
    if (node === anchor) return;
    const isBefore = this.random.below(2) === 0;
    const rest = nodes.filter((one) => one !== node);
    const to = rest.indexOf(anchor) + (isBefore ? 0 : 1);
    const moved = new ListModel();
    moved.nodes.push(...rest.slice(0, to), node, ...rest.slice(to));
    moved.inputs.push(...this.list.inputs);
    moved.initializers.push(...this.list.initializers);
    if (!moved.isOrdered) return;
    this.#log(`move ${node.id} ${isBefore ? "before" : "after"} ${anchor.id}`);
    // A node that stays where it is has not been moved: walks see nothing.
    if (nodes.indexOf(node) !== to) {
      this.list.take(node);
      this.list.place(node, to);
    }
    if (isBefore) this.rw.moveBefore(this.#node(node), this.#node(anchor));
    else this.rw.moveAfter(this.#node(node), this.#node(anchor));
  }

  #remove(): void {
    const unread = this.list.nodes.filter(({ outputs }) => outputs.every((v) => this.#isUnread(v)));
    if (unread.length === 0) return;
    const node = this.random.of(unread);
    this.#log(`remove ${node.id}`);
    this.list.take(node);
    this.rw.remove(this.#node(node));
    node.outputs.forEach((id) => {
      this.#forget(id);
    });
  }

  #setInput(): void {
    const { nodes } = this.list;
    if (nodes.length === 0) return;
    const node = this.random.of(nodes);
    const index = this.random.below(node.inputs.length + 2);
    const value =
      this.random.below(6) === 0 ? null : this.random.of(this.list.readableAt(nodes.indexOf(node)));
    this.#log(`input ${index} of ${node.id} = ${value}`);
    while (node.inputs.length < index) node.inputs.push(null);
    node.inputs[index] = value;
    this.rw.setInput(this.#node(node), index, value === null ? null : this.#value(value));
  }

  #removeNodeInput(): void {
    const readers = this.list.nodes.filter(({ inputs }) => inputs.length > 0);
    if (readers.length === 0) return;
    const node = this.random.of(readers);
    const index = this.random.below(node.inputs.length);
    this.#log(`remove input ${index} of ${node.id}`);
    node.inputs.splice(index, 1);
    this.rw.removeNodeInput(this.#node(node), index);
  }

  #replaceUses(): void {
    this.#replace(false);
  }

  #replaceUsesInNodes(): void {
    this.#replace(true);
  }

  /** Makes readers of one value read another one that is defined before all of them. */
  #replace(onlyInNodes: boolean): void {
    const from = this.random.of([...this.values.keys()]);
    const readers = this.list.nodes.filter(({ inputs }) => inputs.includes(from));
    const first =
      readers.length === 0 ? this.list.nodes.length : this.list.nodes.indexOf(readers[0] ?? never());
    const to = this.random.of(this.list.readableAt(first));
    if (from === to) return;
    this.#log(`replace ${from} by ${to}${onlyInNodes ? " in nodes" : ""}`);
    for (const { inputs } of readers)
      inputs.forEach((read, i) => {
        if (read === from) inputs[i] = to;
      });
    const isRead = !onlyInNodes && this.list.outputs.includes(from);
    const isTaken = isRead && (this.list.producerOf(to) === null || this.list.outputs.includes(to));
    this.rw.replaceUses(this.#value(from), this.#value(to), (use) => !onlyInNodes || use.kind === "input");
    const bearer = isTaken ? this.#identityMade(to) : to;
    if (isRead)
      this.list.outputs.forEach((read, i) => {
        if (read === from) this.list.outputs[i] = bearer;
      });
  }

  /** The output of the Identity that the rewriter must have appended. */
  #identityMade(of: number): number {
    const made = this.graph.last;
    if (made?.op !== "Identity") throw new Error(`no Identity was made of ${of}`);
    const node = { id: this.#ids++, inputs: [of], outputs: made.outputs.map((value) => this.#known(value)) };
    this.nodes.set(node, made);
    this.list.place(node, this.list.nodes.length);
    return node.outputs[0] ?? never();
  }

  #setOutput(): void {
    const index = this.random.below(Math.min(this.list.outputs.length + 1, 4));
    const value = this.random.of(this.list.readableAt(this.list.nodes.length));
    this.#log(`output ${index} = ${value}`);
    this.list.outputs[index] = value;
    this.rw.setOutput(this.graph, index, this.#value(value));
  }

  #addInput(): void {
    const defaults = this.list.initializers.filter((id) => !this.list.inputs.includes(id));
    if (defaults.length > 0 && this.random.below(2) === 0) {
      const id = this.random.of(defaults);
      this.#log(`input with default ${id}`);
      this.list.inputs.push(id);
      this.rw.addInput(this.graph, this.#value(id));
      return;
    }
    const value = this.rw.value(loc, `i${this.#ids}`);
    this.list.inputs.push(this.#known(value));
    this.#log(`input ${this.#ids - 1}`);
    this.rw.addInput(this.graph, value);
  }

  #addInitializer(): void {
    const value = this.rw.value(loc, `c${this.#ids}`, undefined, tensorOf("float", [1], [1]));
    this.list.initializers.push(this.#known(value));
    this.#log(`initializer ${this.#ids - 1}`);
    this.rw.addInitializer(this.graph, value);
  }

  #removeInput(): void {
    const removable = this.list.inputs.filter(
      (id) => this.list.initializers.includes(id) || this.#isUnread(id),
    );
    // One is always there to be read.
    if (removable.length === 0 || this.list.inputs.length === 1) return;
    const id = this.random.of(removable);
    this.#log(`remove input ${id}`);
    this.list.inputs.splice(this.list.inputs.indexOf(id), 1);
    this.rw.removeInput(this.graph, this.#value(id));
    this.#forget(id);
  }

  #removeInitializer(): void {
    const removable = this.list.initializers.filter(
      (id) => this.list.inputs.includes(id) || this.#isUnread(id),
    );
    if (removable.length === 0) return;
    const id = this.random.of(removable);
    this.#log(`remove initializer ${id}`);
    this.list.initializers.splice(this.list.initializers.indexOf(id), 1);
    this.rw.removeInitializer(this.#value(id));
    this.#forget(id);
  }

  /** Replaces a node by a new one in front of it, which reads the same and is no graph's output yet. */
  #replaceBy(): void {
    const { nodes } = this.list;
    if (nodes.length === 0) return;
    const old = this.random.of(nodes);
    const made = this.#place([...old.inputs], old.outputs.length, nodes.indexOf(old));
    this.#log(`${made.id} in place of ${old.id}`);
    const swap = (ids: (number | null)[]): void => {
      ids.forEach((id, i) => {
        const at = old.outputs.indexOf(id ?? -1);
        if (at >= 0) ids[i] = made.outputs[at] ?? never();
      });
    };
    for (const { inputs } of nodes) swap(inputs);
    swap(this.list.outputs);
    this.list.take(old);
    replaceBy(this.rw, this.#node(old), this.#node(made).outputs);
    old.outputs.forEach((id) => {
      this.#forget(id);
    });
  }

  #dropIfUnread(): void {
    const ids = [this.random.of([...this.values.keys()]), this.random.of([...this.values.keys()])];
    this.#log(`drop ${ids.join(" and ")}`);
    this.list.dropUnread(ids);
    dropIfUnread(
      this.rw,
      ids.map((id) => this.#value(id)),
    );
    for (const id of [...this.values.keys()]) this.#forget(id);
  }

  #isUnread(id: number): boolean {
    return this.list.usesOf(id).length === 0;
  }

  /** Forgets a value that nothing defines any more. */
  #forget(id: number): void {
    const isDefined = this.list.readableAt(this.list.nodes.length).includes(id);
    if (!isDefined) this.values.delete(id);
  }

  #known(value: Value): number {
    this.values.set(this.#ids, value);
    return this.#ids++;
  }

  #value(id: number): Value {
    return this.values.get(id) ?? never();
  }

  #node(node: ModelNode): Node {
    return this.nodes.get(node) ?? never();
  }

  #log(text: string): void {
    this.log.push(text);
  }
}

function never(): never {
  throw new Error("the model and the graph are not of one size");
}
