import { isDType } from "../ir/dtype.ts";

const plain = /^[A-Za-z_][A-Za-z0-9_]*$/;

const typeWords: ReadonlySet<string> = new Set(["seq", "map", "optional", "sparse_tensor", "opaque"]);

const numberWords = /^(?:inf|infinity|nan)$/i;

/** Whether a word opens a type: `float`, `seq`, … */
export function isTypeWord(word: string): boolean {
  return isDType(word) || typeWords.has(word);
}

/** Whether a word is a floating-point literal: `inf`, `nan`. */
export function isNumberWord(word: string): boolean {
  return numberWords.test(word);
}

/** Text in double quotes. ONNX's syntax knows no escape but the backslash before a quote or a backslash. */
export function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/** A name: bare where it is a plain identifier that cannot be taken for a type or a number, else in quotes. */
export function nameText(name: string): string {
  return plain.test(name) && !isTypeWord(name) && !isNumberWord(name) ? name : quoted(name);
}

/**
 * The operator of a node: `MatMul`, `com.microsoft.Gelu`. Domains such as `pkg.torch.2.5` are no dotted
 * identifiers; ONNX's parser has no way to write them, so they are quoted whole: `"pkg.torch.2.5".Linear`.
 */
export function opText(domain: string, opType: string, overload: string): string {
  const dotted = domain.split(".").every((part) => plain.test(part));
  const prefix = domain === "" ? "" : `${dotted ? domain : quoted(domain)}.`;
  return prefix + wordText(opType) + (overload === "" ? "" : `:${wordText(overload)}`);
}

/** An attribute name, op type or overload, where type and number words stand for themselves. */
export function wordText(word: string): string {
  return plain.test(word) ? word : quoted(word);
}
