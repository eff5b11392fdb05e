import { invalid } from "./failure.ts";
import { GONE } from "./visit.ts";

/**
 * The JSON of a request's body.
 *
 * @throws Failure 415 for what does not say that it is JSON, 413 for more than `most` bytes, 400 for what is no JSON
 */
export async function jsonBody(request: Request, most: number): Promise<unknown> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(type)) {
    const message = `The body has to be JSON, and the header Content-Type: application/json to say so; it says ${JSON.stringify(type.slice(0, 100))}.`;
    throw invalid(message, "unsupported_media_type", undefined, 415);
  }
  const bytes = await bytesOf(request, most);
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as unknown;
  } catch (error) {
    // V8 quotes what it could not read, which may be a secret of someone who sent it to the wrong place.
    const place = /position \d+/.exec(error instanceof Error ? error.message : "")?.[0];
    throw invalid(`The body is not valid JSON${place === undefined ? "" : `, at ${place}`}.`, "invalid_json");
  }
}

async function bytesOf({ headers, body }: Request, most: number): Promise<Uint8Array> {
  if (Number(headers.get("content-length") ?? 0) > most) throw tooLarge(most);
  const reader = (body as ReadableStream<Uint8Array> | null)?.getReader();
  const parts: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const part = await reader?.read().catch(() => {
      throw GONE;
    });
    if (part?.value === undefined) return Buffer.concat(parts);
    size += part.value.length;
    // The rest is left unread: cancelling would close the connection before the answer is sent.
    if (size > most) throw tooLarge(most);
    parts.push(part.value);
  }
}

function tooLarge(most: number): Error {
  const message = `The body is larger than ${most} bytes, the most that this server takes.`;
  return invalid(message, "request_too_large", undefined, 413).with({ connection: "close" });
}
