import type { RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { scaled, shifted, showing, startOf, wholeOf, type Frame } from "./frame.ts";
import type { LaidBox, Picture } from "./layout.ts";

/** What is seen of a picture, and ways to look elsewhere. */
export interface View {
  /** For `viewBox`. */
  readonly box: string;
  /** Width over height. */
  readonly ratio: number;
  readonly zoom: (factor: number) => void;
  readonly fit: () => void;
  readonly show: (box: LaidBox) => void;
  /** Does what a key says; false where it says nothing. */
  readonly key: (key: string) => boolean;
  readonly grab: (event: PointerEvent) => void;
  readonly drag: (event: PointerEvent) => void;
  readonly drop: () => void;
  readonly wheel: (event: WheelEvent) => void;
  /** Whether the click that ends here was a drag. */
  readonly wasDragged: () => boolean;
}

/** Pixels that a pointer may move within a click. */
const STILL = 4;

/** What keys do to what is seen: how far they move, as parts of it, or how much they enlarge. */
const moves: Readonly<Record<string, readonly [x: number, y: number]>> = {
  ArrowLeft: [-0.12, 0],
  ArrowRight: [0.12, 0],
  ArrowUp: [0, -0.12],
  ArrowDown: [0, 0.12],
};
const zooms: Readonly<Record<string, number>> = { "+": 1.25, "=": 1.25, "-": 0.8 };

type Edit = (change: (old: Frame) => Frame) => void;

/** Panning and zooming of a picture, which begins whole or, where it is large, with its top. */
export function useView(picture: Picture, svg: RefObject<SVGSVGElement | null>): View {
  const start = (): Frame => startOf(picture, svg.current?.parentElement?.clientWidth);
  const [frame, setFrame] = useState<Frame>(start);
  useLayoutEffect(() => {
    setFrame(start());
  }, [picture]);
  const edit: Edit = (change) => {
    setFrame(change);
  };
  return {
    box: `${frame.x} ${frame.y} ${frame.width} ${frame.height}`,
    ratio: frame.width / frame.height,
    zoom: (factor) => {
      edit((old) => scaled(old, picture, factor));
    },
    fit: () => {
      edit((old) => wholeOf(picture, old));
    },
    show: (box) => {
      edit((old) => showing(old, box));
    },
    key: (key) => act(key, picture, edit),
    ...useDrag(frame, edit),
    wheel: (event) => {
      // Without a key the wheel scrolls the page.
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const { left, top, width, height } = (event.currentTarget as Element).getBoundingClientRect();
      const at = { x: (event.clientX - left) / width, y: (event.clientY - top) / height };
      edit((old) => scaled(old, picture, event.deltaY < 0 ? 1.15 : 0.87, at));
    },
  };
}

function act(key: string, picture: Picture, edit: Edit): boolean {
  const [move, zoom] = [moves[key], zooms[key]];
  if (move !== undefined) edit((old) => shifted(old, ...move));
  else if (zoom !== undefined) edit((old) => scaled(old, picture, zoom));
  else if (key === "0") edit((old) => wholeOf(picture, old));
  else return false;
  return true;
}

function useDrag(frame: Frame, edit: Edit): Pick<View, "grab" | "drag" | "drop" | "wasDragged"> {
  const held = useRef<{ readonly x: number; readonly y: number; readonly frame: Frame } | null>(null);
  const moved = useRef(0);
  return {
    grab: ({ clientX, clientY }) => {
      held.current = { x: clientX, y: clientY, frame };
      moved.current = 0;
    },
    drag: (event) => {
      const from = held.current;
      const svg = event.currentTarget;
      if (from === null || !(svg instanceof Element)) return;
      const [x, y] = [event.clientX - from.x, event.clientY - from.y];
      moved.current = Math.max(moved.current, Math.abs(x) + Math.abs(y));
      if (moved.current <= STILL) return;
      svg.setPointerCapture(event.pointerId);
      const pixel = frame.width / svg.clientWidth;
      edit(() => ({ ...from.frame, x: from.frame.x - x * pixel, y: from.frame.y - y * pixel }));
    },
    drop: () => {
      held.current = null;
    },
    wasDragged: () => moved.current > STILL,
  };
}
