import type { TfcError } from "../../diagnostics/error.ts";

type Container = readonly unknown[] | ReadonlyMap<unknown, unknown>;

/** Lists and dicts inside each other; a checkpoint has five or so. What follows may recurse this far. */
const DEPTH_LIMIT = 256;

/** Values in all, where one that occurs several times counts each time. */
const VALUE_LIMIT = 10_000_000;

interface Frame {
  readonly container: Container;
  readonly label: string;
  readonly children: Iterator<Child>;
  /** values below, and how deep they lie */
  size: number;
  height: number;
}

interface Child {
  readonly label: string;
  readonly value: unknown;
}

/**
 * Visits every leaf with its path, keys joined by dots, and proves that whoever walks the tree again comes to an end:
 * a pickle can put a list into itself, nest without bound, and reach a few lists by exponentially many ways. Each
 * container is entered once, so the walk itself takes no longer than the file is long.
 *
 * @param root lists and dicts around leaves of the type L, which are neither
 * @throws what `refuse` makes of the reason and the path, where the tree is no tree or above a limit
 */
export function walkTree<L>(
  root: unknown,
  visit: (leaf: L, path: () => string) => void,
  refuse: (why: string, path: string) => TfcError,
): void {
  const walk = new TreeWalk((leaf, path) => {
    visit(leaf as L, path);
  }, refuse);
  walk.run(root);
}

class TreeWalk {
  readonly #visit: (leaf: unknown, path: () => string) => void;
  readonly #refuse: (why: string, path: string) => TfcError;
  readonly #frames: Frame[] = [];
  readonly #open = new Set<Container>();
  readonly #closed = new Map<Container, Pick<Frame, "size" | "height">>();

  constructor(
    visit: (leaf: unknown, path: () => string) => void,
    refuse: (why: string, path: string) => TfcError,
  ) {
    this.#visit = visit;
    this.#refuse = refuse;
  }

  run(root: unknown): void {
    this.#see({ label: "", value: root });
    for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
      const next = frame.children.next();
      if (next.done !== true) this.#see(next.value);
      else this.#leave(frame);
    }
  }

  #see({ label, value }: Child): void {
    if (!isContainer(value)) {
      this.#visit(value, () => this.#pathTo(label));
      this.#count({ size: 1, height: 0 }, label);
      return;
    }
    if (this.#open.has(value)) throw this.#refuse("a list or dict that contains itself", this.#pathTo(label));
    const known = this.#closed.get(value);
    if (known !== undefined) {
      this.#count(known, label);
      return;
    }
    if (this.#frames.length >= DEPTH_LIMIT) throw this.#tooDeep("");
    this.#open.add(value);
    this.#frames.push({ container: value, label, children: childrenOf(value), size: 1, height: 0 });
  }

  #leave(frame: Frame): void {
    this.#frames.pop();
    this.#open.delete(frame.container);
    this.#closed.set(frame.container, frame);
    this.#count(frame, frame.label);
  }

  /** Adds what lies below a child to the container that it is in. */
  #count({ size, height }: Pick<Frame, "size" | "height">, label: string): void {
    const parent = this.#frames.at(-1);
    if (parent === undefined) return;
    parent.size += size;
    parent.height = Math.max(parent.height, height + 1);
    if (parent.size > VALUE_LIMIT) throw this.#refuse(`more than ${VALUE_LIMIT} values`, this.#pathTo(label));
    if (this.#frames.length + height > DEPTH_LIMIT) throw this.#tooDeep(label);
  }

  #tooDeep(label: string): TfcError {
    return this.#refuse(`lists and dicts more than ${DEPTH_LIMIT} deep`, this.#pathTo(label));
  }

  #pathTo(label: string): string {
    return [...this.#frames.map((frame) => frame.label), label].filter((part) => part !== "").join(".");
  }
}

function isContainer(value: unknown): value is Container {
  return Array.isArray(value) || value instanceof Map;
}

function* childrenOf(container: Container): Generator<Child, void, void> {
  if (!isMap(container)) {
    for (const [i, value] of container.entries()) yield { label: String(i), value };
    return;
  }
  for (const [key, value] of container) {
    if (typeof key === "object" && key !== null) yield { label: "(key)", value: key };
    yield { label: labelOf(key), value };
  }
}

function isMap(container: Container): container is ReadonlyMap<unknown, unknown> {
  return container instanceof Map;
}

/** A key for a path. It comes from the file and may be as long as it. */
function labelOf(key: unknown): string {
  if (typeof key === "string") return key.slice(0, 300);
  return typeof key === "number" || typeof key === "bigint" || typeof key === "boolean" ? String(key) : "(…)";
}
