import type { LaidBox, Picture } from "./layout.ts";

/** What is seen of a picture, in its units. */
export interface Frame {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Pixels that a picture is given where nothing is known yet. */
const ASSUMED = 760;
/** Height of the picture's window, in pixels, at most. */
const TALLEST = 620;
/** A picture is shrunk to this and no further, so that its text can be read; on a telephone, which is held closer and zoomed, further. */
const [SMALLEST, SMALLEST_NARROW] = [0.6, 0.34];
/** Pixels below which a picture's window is narrow. */
const NARROW = 560;

/** At its own size where it fits in width, else shrunk as far as it can be read; from the top, around the middle. */
export function startOf({ width, height }: Picture, pixels: number | undefined): Frame {
  const wide = pixels ?? ASSUMED;
  const shown = Math.min(Math.max(width, wide), wide / (wide < NARROW ? SMALLEST_NARROW : SMALLEST));
  const tall = Math.min(height, (TALLEST * shown) / wide);
  return { x: (width - shown) / 2, y: 0, width: shown, height: Math.max(tall, 80) };
}

/** All of it. */
export function wholeOf({ width, height }: Picture, frame: Frame): Frame {
  const scale = Math.max(width / frame.width, height / frame.height, 0.4);
  const [w, h] = [frame.width * scale, frame.height * scale];
  return { x: (width - w) / 2, y: (height - h) / 2, width: w, height: h };
}

/** Larger or smaller, around a point that stays where it is: from 0 to 1 in both directions. */
export function scaled(old: Frame, picture: Picture, factor: number, at = { x: 0.5, y: 0.5 }): Frame {
  const width = Math.max(160, Math.min(old.width / factor, 8 * Math.max(picture.width, ASSUMED)));
  const height = (old.height * width) / old.width;
  return {
    ...{ width, height },
    x: old.x + (old.width - width) * at.x,
    y: old.y + (old.height - height) * at.y,
  };
}

/** Elsewhere, by parts of what is seen. */
export function shifted(old: Frame, x: number, y: number): Frame {
  return { ...old, x: old.x + x * old.width, y: old.y + y * old.height };
}

/** Moved so that a box is in the middle, where it is not seen already. */
export function showing(old: Frame, { x, y }: LaidBox): Frame {
  const isSeen = x > old.x && x < old.x + old.width && y > old.y && y < old.y + old.height;
  return isSeen ? old : { ...old, x: x - old.width / 2, y: y - old.height / 2 };
}
