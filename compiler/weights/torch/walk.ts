import type { TfcError } from "../../diagnostics/error.ts";

type Container = readonly unknown[] | ReadonlyMap<unknown, unknown>;

/** Lists and dicts inside each other; a checkpoint has five or so. What follows may recurse this far. */
export const DEPTH_LIMIT = 256;

/** Values in all, where one that occurs several times counts each time. */
export const VALUE_LIMIT = 10_000_000;

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
  const frames: Frame[] = [];
  const open = new Set<Container>();
  const closed = new Map<Container, { size: number; height: number }>();
  const pathTo = (label: string): string =>
    [...frames.map((frame) => frame.label), label].filter((part) => part !== "").join(".");

  /** Adds what lies below a child to the container that it is in. */
  const count = (size: number, height: number, label: string): void => {
    const parent = frames.at(-1);
    if (parent === undefined) return;
    parent.size += size;
    parent.height = Math.max(parent.height, height + 1);
    if (parent.size > VALUE_LIMIT) throw refuse(`more than ${VALUE_LIMIT} values`, pathTo(label));
    if (frames.length + height > DEPTH_LIMIT) {
      throw refuse(`lists and dicts more than ${DEPTH_LIMIT} deep`, pathTo(label));
    }
  };

  const see = ({ label, value }: Child): void => {
    if (!isContainer(value)) {
      visit(value as L, () => pathTo(label));
      count(1, 0, label);
      return;
    }
    if (open.has(value)) throw refuse("a list or dict that contains itself", pathTo(label));
    const known = closed.get(value);
    if (known !== undefined) {
      count(known.size, known.height, label);
      return;
    }
    if (frames.length >= DEPTH_LIMIT) {
      throw refuse(`lists and dicts more than ${DEPTH_LIMIT} deep`, pathTo(""));
    }
    open.add(value);
    frames.push({ container: value, label, children: childrenOf(value), size: 1, height: 0 });
  };

  see({ label: "", value: root });
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    const next = frame.children.next();
    if (next.done !== true) {
      see(next.value);
    } else {
      frames.pop();
      open.delete(frame.container);
      closed.set(frame.container, frame);
      count(frame.size, frame.height, frame.label);
    }
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
