import { readFileSync, writeFileSync } from "node:fs";

/** The header of a safetensors file: tensors by name, and what is said beside them. */
export type Header = Record<string, unknown> & { __metadata__?: Record<string, string> };

/** Writes a safetensors file with another header, its tensors' bytes as they were; gives its path. */
export function withHeader(from: string, to: string, edit: (header: Header) => void): string {
  const bytes = readFileSync(from);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + length)) as Header;
  edit(header);
  const text = Buffer.from(JSON.stringify(header));
  const padding = Buffer.alloc((8 - (text.length % 8)) % 8, " ");
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length + padding.length));
  writeFileSync(to, Buffer.concat([size, text, padding, bytes.subarray(8 + length)]));
  return to;
}
