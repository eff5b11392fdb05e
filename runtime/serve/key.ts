import { createHash, timingSafeEqual } from "node:crypto";
import { Failure } from "./failure.ts";

/** A look at a request's key, in a time that says nothing of how much of it is right. @throws Failure 401 */
export type KeyCheck = (authorization: string | undefined) => void;

export function keyCheck(key: string | undefined): KeyCheck {
  if (key === undefined) return () => undefined;
  const wanted = digest(key);
  return (authorization) => {
    const [, sent] = /^Bearer +(\S+) *$/i.exec(authorization ?? "") ?? [];
    if (sent !== undefined && timingSafeEqual(digest(sent), wanted)) return;
    const message =
      sent === undefined
        ? "You did not send an API key: send the header Authorization: Bearer KEY."
        : "The API key is not right.";
    throw new Failure(401, message, {
      type: "invalid_request_error",
      code: "invalid_api_key",
      headers: { "www-authenticate": "Bearer" },
    });
  };
}

/** Digests are of one length, as the comparison needs them. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
