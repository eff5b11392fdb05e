import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Finder, Place } from "./finder.ts";
import type { Model } from "./model.ts";

/** What all of the page shares. */
export interface Shared {
  readonly model: Model;
  readonly finder: Finder;
  /** What is looked at. */
  readonly place: Place;
  /** The part that was looked at before. */
  readonly before: number | null;
}

export const SharedContext = createContext<Shared | null>(null);

/** @throws Error outside of the page */
export function useShared(): Shared {
  const shared = useContext(SharedContext);
  if (shared === null) throw new Error("outside of the page");
  return shared;
}

/** The address of a name on the page. */
export function hrefOf(name: string): string {
  return `#${encodeURIComponent(name).replaceAll("%2F", "/").replaceAll("%3A", ":")}`;
}

/** Goes to a name, as a link would. @param isStep whether the way back leads past where one is now */
export function goTo(name: string, isStep = false): void {
  if (isStep) window.location.replace(hrefOf(name));
  else window.location.hash = hrefOf(name);
}

/** Whether a name is what the page shows. */
export function isAt(name: string): boolean {
  return window.location.hash === hrefOf(name);
}
