/** What a name is in a family of names that differ by a number alone. */
export interface Family<T> {
  /** Before and behind the number; null for a name by itself. */
  readonly around: readonly [before: string, behind: string] | null;
  /** In their order; empty for a name by itself. */
  readonly numbers: readonly number[];
  /** What the first one is of. */
  readonly first: T;
}

/** Fewer are written out: they are no longer than the family. */
const LEAST = 3;

interface Candidate {
  readonly before: string;
  readonly number: number;
  readonly behind: string;
}

/**
 * Puts names that differ by a number alone into families, `past_key_values.0.key` to `past_key_values.79.key`. Every
 * name is in one family; where several numbers vary, in the largest that it fits.
 *
 * @param alike a text that is the same of all that may be in one family, given what stands around the number
 */
export function families<T>(
  items: readonly T[],
  nameOf: (item: T) => string,
  alike: (item: T, around: (text: string) => string) => string,
): readonly Family<T>[] {
  const found = new Map<string, { item: T; at: Candidate; index: number }[]>();
  items.forEach((item, index) => {
    for (const at of candidates(nameOf(item))) {
      const id = JSON.stringify([at.before, at.behind, alike(item, (text) => withoutNumber(text, at))]);
      found.set(id, [...(found.get(id) ?? []), { item, at, index }]);
    }
  });
  const taken = new Set<number>();
  const made: { readonly family: Family<T>; readonly index: number }[] = [];
  const bySize = [...found.values()].sort((a, b) => b.length - a.length);
  for (const group of bySize) {
    const free = group.filter(({ index }) => !taken.has(index));
    const [first] = free;
    if (first === undefined || free.length < LEAST) continue;
    for (const { index } of free) taken.add(index);
    const numbers = free.map(({ at }) => at.number).sort((a, b) => a - b);
    const around = [first.at.before, first.at.behind] as const;
    made.push({ family: { around, numbers, first: first.item }, index: first.index });
  }
  items.forEach((item, index) => {
    if (!taken.has(index)) made.push({ family: { around: null, numbers: [], first: item }, index });
  });
  return made.sort((a, b) => a.index - b.index).map(({ family }) => family);
}

/** Each number in a name, with what stands around it. `007` is none: it would be written as 7. */
function candidates(name: string): readonly Candidate[] {
  return [...name.matchAll(/\d+/g)].flatMap(({ 0: digits, index }) => {
    const number = Number(digits);
    if (String(number) !== digits || !Number.isSafeInteger(number)) return [];
    return [{ before: name.slice(0, index), number, behind: name.slice(index + digits.length) }];
  });
}

/** A text with a blank where a name's number stands behind what stands before it in the name. */
function withoutNumber(text: string, { before, number }: Candidate): string {
  const numbered = `${before}${number}`;
  return text.replaceAll(numbered, (match, offset: number) =>
    /^\d/.test(text.slice(offset + match.length)) ? match : `${before}\0`,
  );
}

/** Runs of numbers, first and last of each. */
export function runsOf(numbers: readonly number[]): readonly (readonly [first: number, last: number])[] {
  const runs: [number, number][] = [];
  for (const number of numbers) {
    const run = runs.at(-1);
    if (run?.[1] === number - 1) run[1] = number;
    else runs.push([number, number]);
  }
  return runs;
}
