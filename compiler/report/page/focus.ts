/** Moves the focus to the picture, which keys walk through; where nothing is drawn, to what stands in its place. */
export function focusPicture(): void {
  const start = document.getElementById("viewer-start");
  const picture = start?.querySelector(".graph > svg");
  (picture instanceof SVGElement ? picture : start)?.focus();
}

/** Whether the focus is in one of these. */
export function hasFocus(selector: string): boolean {
  return (document.activeElement?.closest(selector) ?? null) !== null;
}
