/** Where a model is to be seen: the last line of what is said of it as text. */
export function drawnText(file: string): string {
  const word = /^[\w./@:+-]+$/.test(file) ? file : JSON.stringify(file);
  return `tfc report ${word} draws it`;
}
