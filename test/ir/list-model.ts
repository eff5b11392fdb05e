/**
 * What a graph is to be after edits, kept in the plainest way: arrays that are searched from the beginning. Values are
 * numbers; a node's outputs are listed with it.
 */
export interface ModelNode {
  readonly id: number;
  readonly inputs: (number | null)[];
  readonly outputs: readonly number[];
}

export class ListModel {
  readonly nodes: ModelNode[] = [];
  readonly outputs: number[] = [];
  readonly inputs: number[] = [];
  readonly initializers: number[] = [];
  readonly walks: ListWalk[] = [];

  place(node: ModelNode, at: number): void {
    for (const walk of this.walks) walk.entering(node, at);
    this.nodes.splice(at, 0, node);
  }

  take(node: ModelNode): void {
    const at = this.nodes.indexOf(node);
    for (const walk of this.walks) walk.leaving(node, at);
    this.nodes.splice(at, 1);
  }

  /** Who reads a value: `n3:0` for an input of a node, `g:1` for an output of the graph. */
  usesOf(value: number): readonly string[] {
    const uses = this.nodes.flatMap(({ id, inputs }) =>
      inputs.flatMap((read, i) => (read === value ? [`n${id}:${i}`] : [])),
    );
    return [...uses, ...this.outputs.flatMap((read, i) => (read === value ? [`g:${i}`] : []))].sort();
  }

  producerOf(value: number): ModelNode | null {
    return this.nodes.find(({ outputs }) => outputs.includes(value)) ?? null;
  }

  /** Values that can be read by a node placed at an index. */
  readableAt(at: number): readonly number[] {
    return [
      ...this.inputs,
      ...this.initializers,
      ...this.nodes.slice(0, at).flatMap(({ outputs }) => outputs),
    ];
  }

  /** Whether every value is defined before it is read. */
  get isOrdered(): boolean {
    return (
      this.nodes.every(({ inputs }, at) =>
        inputs.every((read) => read === null || this.readableAt(at).includes(read)),
      ) && this.outputs.every((read) => this.readableAt(this.nodes.length).includes(read))
    );
  }

  /** Takes out nodes nothing reads, as long as there are any among those that made these values, or lead to them. */
  dropUnread(values: readonly number[]): void {
    for (const value of values) {
      const node = this.producerOf(value);
      if (this.usesOf(value).length > 0) continue;
      if (node === null) {
        const at = this.inputs.includes(value) ? -1 : this.initializers.indexOf(value);
        if (at >= 0) this.initializers.splice(at, 1);
      } else if (node.outputs.every((output) => this.usesOf(output).length === 0)) {
        this.take(node);
        this.dropUnread(node.inputs.filter((read) => read !== null));
      }
    }
  }
}

/** A walk over the list by index: what is before `gap` is behind the walk. */
export class ListWalk {
  readonly #list: ListModel;
  readonly #met = new Set<ModelNode>();
  #later: ModelNode[] = [];
  #given: ModelNode | null = null;
  #gap = 0;

  constructor(list: ListModel) {
    this.#list = list;
  }

  next(): ModelNode | null {
    const { nodes } = this.#list;
    const ahead = nodes.findIndex((node, i) => i >= this.#gap && !this.#met.has(node));
    const late = this.#later.find((node) => nodes.includes(node) && !this.#met.has(node)) ?? null;
    this.#given = ahead < 0 ? late : (nodes[ahead] ?? null);
    this.#gap = ahead < 0 ? nodes.length : ahead + 1;
    if (this.#given !== null) this.#met.add(this.#given);
    this.#later = this.#later.filter((node) => node !== this.#given);
    return this.#given;
  }

  leaving(node: ModelNode, at: number): void {
    this.#later = this.#later.filter((one) => one !== node);
    if (!this.#met.has(node)) this.#later.push(node);
    if (at < this.#gap) this.#gap--;
  }

  entering(node: ModelNode, at: number): void {
    if (at >= this.#gap) return;
    this.#gap++;
    const before = this.#list.nodes[at - 1];
    const isNext = before !== undefined && (before === this.#given || this.#later.includes(before));
    if (isNext && !this.#met.has(node) && !this.#later.includes(node)) this.#later.push(node);
  }
}
