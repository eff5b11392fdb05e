import { connect, type Socket } from "node:net";

/** A connection of one's own, for what no HTTP client sends. */
export interface Wire {
  readonly socket: Socket;
  /** What has come over it. */
  readonly said: () => string;
  readonly closed: Promise<void>;
}

export function wire(port: number): Wire {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.on("data", (part: Buffer) => (text += part.toString()));
  socket.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => {
    socket.once("close", () => {
      resolve();
    });
  });
  return { socket, said: () => text, closed };
}

/** The head of a request of this many bytes. */
export function head(length: number | "chunked"): string {
  const size = length === "chunked" ? "Transfer-Encoding: chunked" : `Content-Length: ${length}`;
  return `POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${size}\r\n\r\n`;
}

/** A whole request. */
export function posted(body: object): string {
  const text = JSON.stringify(body);
  return `${head(text.length)}${text}`;
}
