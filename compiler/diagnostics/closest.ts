/** More edits than this make another word. */
const MOST = 3;

/**
 * The word that somebody most likely meant: one that differs in few letters, or that holds, or is held by, what was
 * written. A swap of neighbours is one edit, as commander counts for commands and flags.
 *
 * @returns null where none is close
 */
export function closest(written: string, known: readonly string[]): string | null {
  const word = written.toLowerCase();
  let best: { readonly name: string; readonly edits: number } | null = null;
  for (const name of known) {
    const edits = editsBetween(word, name.toLowerCase());
    const length = Math.max(word.length, name.length);
    const isClose = edits <= MOST && (length - edits) / length > 0.4;
    if (isClose && (best === null || edits < best.edits)) best = { name, edits };
  }
  return best?.name ?? known.find((name) => isHeld(name, word) || isHeld(word, name)) ?? null;
}

/** `gate` in `gate_proj`, `attn` in `self_attn`: whole parts of a name, and the abbreviation of one, `attention`. */
function isHeld(short: string, long: string): boolean {
  if (short.length < 3) return false;
  const parts = long.split(/[^a-z0-9]+/i);
  return parts.includes(short) || parts.some((part) => abbreviates(short, part));
}

/** Whether all letters of a word come in another one in this order, and both begin alike. */
function abbreviates(short: string, long: string): boolean {
  let at = 0;
  for (const letter of long) if (letter === short[at]) at++;
  return at === short.length && short.startsWith(long.slice(0, 2)) && short.length >= 3;
}

/** Insertions, removals, replacements and swaps of neighbours from one word to the other. */
function editsBetween(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > MOST) return MOST + 1;
  let [before, last] = [[] as number[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(
          (last[j] ?? 0) + 1,
          (row[j - 1] ?? 0) + 1,
          (last[j - 1] ?? 0) + (isSame ? 0 : 1),
          isSwap ? (before[j - 2] ?? 0) + 1 : Infinity,
        ),
      );
    }
    [before, last] = [last, row];
  }
  return last[b.length] ?? 0;
}

/** `: did you mean mlp?`, or nothing where no word is close. @param written of a site, only its name counts */
export function meantText(written: string, known: readonly string[]): string {
  const meant = closest(/^[^@]*/.exec(written)?.[0] ?? "", known);
  return meant === null ? "" : `: did you mean ${meant}?`;
}

/** What values of options are called elsewhere. The nearest word by its letters would be another value. */
const elsewhere: ReadonlyMap<string, string> = new Map([
  ...["fp32", "float32", "float", "f32"].map((name) => [name, "fp32"] as const),
  ...["fp16", "float16", "half", "f16"].map((name) => [name, "fp16"] as const),
  ...["bf16", "bfloat16"].map((name) => [name, "bf16"] as const),
  ...["4", "q4", "u4", "uint4", "4bit"].map((name) => [name, "int4"] as const),
  ...["8", "q8", "u8", "uint8", "8bit"].map((name) => [name, "int8"] as const),
  ...["gpu", "nvidia"].map((name) => [name, "cuda"] as const),
]);

/** As {@link meantText}, of the value of an option. */
export function meantValueText(written: string, known: readonly string[]): string {
  const isWritten = (name: string): boolean =>
    name.localeCompare(written, "en", { sensitivity: "base" }) === 0;
  const meant = [...elsewhere].find(([name]) => isWritten(name))?.[1];
  if (meant === undefined) return meantText(written, known);
  return known.includes(meant) ? `: did you mean ${meant}?` : "";
}
