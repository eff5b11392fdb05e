import * as untyped from "@huggingface/jinja";
import { strftime } from "./strftime.ts";

/** A template that has been read. */
export interface Template {
  readonly parsed: unknown;
}

/** The package's declarations leave out the extensions of what they import, which TypeScript's ESM does not resolve. */
const jinja = untyped as unknown as {
  readonly Template: new (text: string) => Template;
  readonly Environment: new () => { set(name: string, value: unknown): void };
  readonly Interpreter: new (environment: unknown) => { run(parsed: unknown): { readonly value: unknown } };
};

/** Reads a template. @throws Error for what is none */
export function parseTemplate(text: string): Template {
  return new jinja.Template(text);
}

/** What a template raises. */
export class TemplateRefusal extends Error {}

/**
 * The text of a template with values of its variables, and with what transformers has in every template. The
 * package's own `Template.render` raises what cannot be told from a failure, and writes dates in the language of the
 * process.
 *
 * @throws TemplateRefusal with what the template raises; Error for what it fails of
 */
export function renderTemplate({ parsed }: Template, variables: Readonly<Record<string, unknown>>): string {
  const environment = new jinja.Environment();
  for (const [name, value] of Object.entries({ ...globals, ...variables })) environment.set(name, value);
  const { value: text } = new jinja.Interpreter(environment).run(parsed);
  return typeof text === "string" ? text : "";
}

const globals: Readonly<Record<string, unknown>> = {
  ...{ true: true, True: true, false: false, False: false, none: null, None: null },
  range: (start: number, stop?: number, step = 1) =>
    stop === undefined ? numbers(0, start, step) : numbers(start, stop, step),
  raise_exception: (why: unknown) => {
    throw new TemplateRefusal(String(why));
  },
  strftime_now: (format: string) => strftime(format, new Date()),
};

function numbers(start: number, stop: number, step: number): number[] {
  if (step === 0) throw new Error("range() cannot count by 0");
  const count = Math.max(0, Math.ceil((stop - start) / step));
  return Array.from({ length: count }, (_, i) => start + i * step);
}
