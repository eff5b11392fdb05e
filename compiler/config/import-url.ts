/**
 * Node's `import` of a URL. It is a file of its own, and stays one: the bundled command line is a script
 * (scripts/bundle.mjs), which cannot import what is not known before it runs.
 */
export function importUrl(url: string): Promise<object> {
  return import(url) as Promise<object>;
}
