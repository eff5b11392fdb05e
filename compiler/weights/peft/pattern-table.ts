/** A key of rank_pattern or alpha_pattern, with its place among them. */
interface Key {
  readonly at: number;
  readonly value: number;
}

/** A key, with what matches `(.*\.)?(key)$`: given only what is asked of it. */
export interface PatternKey {
  readonly key: string;
  readonly value: number;
  readonly matches: (module: string) => boolean;
}

/** Keys of one length whose dots stand at the same places from the end: all else of them is meant as it is. */
interface Shape {
  readonly length: number;
  readonly dots: readonly number[];
  readonly keys: Map<string, Key>;
}

/**
 * The first key that matches a module. PEFT tries one after the other, and saves one for each module where they differ:
 * n² trials for n modules. Keys that are names, in which a dot stands for any character and all else for itself, are
 * looked up here, once for each of the few shapes that names have.
 */
export class PatternTable {
  readonly #shapes = new Map<string, Shape>();
  readonly #others: (Key & Pick<PatternKey, "matches">)[] = [];

  constructor(keys: Iterable<PatternKey>) {
    let at = 0;
    for (const { key, value, matches } of keys) {
      if (/^[\w.]+$/.test(key)) this.#add(key, { at: at++, value });
      else this.#others.push({ at: at++, value, matches });
    }
  }

  /** @returns what stands at the first key that matches, or undefined */
  valueOf(module: string): number | undefined {
    let first: Key | undefined;
    for (const { length, dots, keys } of this.#shapes.values()) {
      const start = module.length - length;
      if (start < 0 || (start > 0 && module[start - 1] !== ".")) continue;
      const found = keys.get(masked(module.slice(start), dots));
      if (found !== undefined && found.at < (first?.at ?? Infinity)) first = found;
    }
    for (const other of this.#others) {
      if (first !== undefined && first.at < other.at) break;
      if (other.matches(module)) return other.value;
    }
    return first?.value;
  }

  #add(key: string, entry: Key): void {
    const dots = [...key.matchAll(/\./g)].map(({ index }) => index);
    const name = `${key.length} ${dots.join(" ")}`;
    const shape = this.#shapes.get(name) ?? { length: key.length, dots, keys: new Map<string, Key>() };
    this.#shapes.set(name, shape);
    // Of two equal keys JSON keeps one; where only dots differ from others, the first counts.
    if (!shape.keys.has(masked(key, dots))) shape.keys.set(masked(key, dots), entry);
  }
}

/** A text with some of its characters made alike. */
function masked(text: string, places: readonly number[]): string {
  let [result, from] = ["", 0];
  for (const at of places) {
    result += `${text.slice(from, at)}.`;
    from = at + 1;
  }
  return result + text.slice(from);
}
