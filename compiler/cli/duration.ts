/** A duration in words: `820 ms`, `28.7 s`, `2 min 5 s`, `1 h 4 min`. */
export function durationText(milliseconds: number): string {
  if (milliseconds < 999.5) return `${milliseconds.toFixed(0)} ms`;
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  return wholeSeconds(milliseconds);
}

/** The same of what is only roughly known: `1 s`, `29 s`, `2 min 5 s`. */
export function wholeSeconds(milliseconds: number): string {
  const seconds = Math.max(1, Math.round(milliseconds / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}
