import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { invalid, type Failure } from "./failure.ts";

/** What Node's HTTP parser refuses, by its code. */
function failureOf({ code }: NodeJS.ErrnoException): Failure {
  if (code === "ERR_HTTP_REQUEST_TIMEOUT")
    return invalid("The request was not sent in time.", "request_timeout", undefined, 408);
  if (code === "HPE_HEADER_OVERFLOW")
    return invalid("The request's headers are too large.", "headers_too_large", undefined, 431);
  return invalid("This is not an HTTP request.", "invalid_http");
}

/**
 * Answers, on its bare connection, a request that could not be read, and closes the connection.
 *
 * @param isAnswered whether an answer to an earlier request is on its way there: nothing can be written into it
 */
export function answerUnread(error: NodeJS.ErrnoException, socket: Duplex, isAnswered: boolean): void {
  if (error.code === "ECONNRESET" || isAnswered || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, body } = failureOf(error);
  const text = JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    "Connection: close",
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(text)}`,
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${text}`, () => socket.destroy());
}

/** The answer to a request whose address or host no URL can hold. */
export function unreadable(): Response {
  const { status, body } = invalid("The request's URL or Host header is not valid.", "invalid_url");
  return Response.json(body, { status });
}
