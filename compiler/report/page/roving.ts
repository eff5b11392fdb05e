import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** What keys do among rows of links: by how many rows they move, and by how many links in one. */
const moves: Readonly<Record<string, readonly [rows: number, links: number]>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  PageUp: [-10, 0],
  PageDown: [10, 0],
  Home: [-Infinity, 0],
  End: [Infinity, 0],
};

/** What a list of rows of links is given. */
export interface Roving {
  readonly onFocusIn: (event: FocusEvent) => void;
  readonly onKeyDown: (event: KeyboardEvent) => void;
}

/**
 * Makes rows of links one stop of the Tab key, within which arrows move: a model of 80 layers has 400 of them.
 *
 * @param here what chooses the link that Tab comes to
 * @param changed when that may be another
 */
export function useRoving(list: RefObject<HTMLElement | null>, here: string, changed: unknown): Roving {
  // Rows with fewer links lie between: down and up again leads back.
  const column = useRef(0);
  useEffect(() => {
    const links = rowsOf(list.current).flat();
    const stop = [...(list.current?.querySelectorAll<HTMLElement>(here) ?? [])].at(-1) ?? links[0];
    for (const link of links) link.tabIndex = link === stop ? 0 : -1;
  }, [changed]);
  return {
    onFocusIn: ({ target }) => {
      for (const links of rowsOf(list.current)) {
        const at = links.findIndex((link) => link === target);
        if (at >= 0) column.current = at;
        links.forEach((link, i) => (link.tabIndex = i === at ? 0 : -1));
      }
    },
    onKeyDown: (event) => {
      const move = moves[event.key];
      const rows = rowsOf(list.current);
      const row = rows.findIndex((links) => links.some((link) => link === event.target));
      if (move === undefined || row < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      const at = rows[row]?.findIndex((link) => link === event.target) ?? 0;
      const next = rows[clamp(row + move[0], rows.length)] ?? [];
      const wanted = move[1] === 0 ? column.current : at + move[1];
      next[clamp(wanted, next.length)]?.focus();
      if (move[1] === 0) column.current = wanted;
    },
  };
}

function clamp(index: number, length: number): number {
  return Math.min(length - 1, Math.max(0, index));
}

function rowsOf(list: HTMLElement | null): readonly (readonly HTMLElement[])[] {
  const rows = [...(list?.children ?? [])].map((row) => [...row.querySelectorAll<HTMLElement>("a")]);
  return rows.filter((links) => links.length > 0);
}
