import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { existsSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { createServer, get, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import type { PlacedEntry } from "../../compiler/plugin/entry.ts";
import { ServedFiles } from "../../compiler/plugin/served-files.ts";
import { temporaryFolder } from "../support/folder.ts";

const SIZE = 20 * 2 ** 20;
const folder = temporaryFolder();
const content = Buffer.from(Array.from({ length: SIZE }, (_, at) => at % 251));
const file = path.join(folder, "model.onnx");
const server: Server = createServer();
let url = "";

beforeAll(async () => {
  writeFileSync(file, content);
  const served = new ServedFiles();
  const files = [{ path: "model.onnx", size: SIZE, check: "" }];
  const entry = { key: "abc", graph: "model.onnx", text: null, files, folder } as unknown as PlacedEntry;
  const at = served.add(entry, "/base/");
  server.on("request", (request, response) => {
    served.middleware(request, response, () => response.writeHead(404).end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${at}`;
});

afterAll(() => {
  server.close();
});

test.each([
  ["bytes=0-99", 206, 0, 100],
  ["bytes=0-0", 206, 0, 1],
  [`bytes=${SIZE - 5}-`, 206, SIZE - 5, SIZE],
  [`bytes=${SIZE - 5}-${SIZE + 5}`, 206, SIZE - 5, SIZE],
  ["bytes=-10", 206, SIZE - 10, SIZE],
  [`bytes=-${SIZE + 1}`, 206, 0, SIZE],
  // What is no range, or more than one, is answered with all.
  ["bytes=5-2", 200, 0, SIZE],
  ["bytes=0-1,5-6", 200, 0, SIZE],
  ["lines=0-1", 200, 0, SIZE],
])("%s of a model that a server gives", async (range, status, start, end) => {
  const answer = await fetch(url, { headers: { range } });
  expect(answer.status).toBe(status);
  expect(answer.headers.get("content-range")).toBe(
    status === 206 ? `bytes ${start}-${end - 1}/${SIZE}` : null,
  );
  const bytes = Buffer.from(await answer.arrayBuffer());
  expect(bytes.equals(content.subarray(start, end))).toBe(true);
});

test.each([`bytes=${SIZE}-`, "bytes=-0"])(
  "%s, which there is not, is refused with the size",
  async (range) => {
    const answer = await fetch(url, { headers: { range } });
    expect([answer.status, answer.headers.get("content-range")]).toEqual([416, `bytes */${SIZE}`]);
  },
);

const descriptors = "/proc/self/fd";
const onLinux = existsSync(descriptors) ? test : test.skip;

onLinux("a page that goes away while it is sent a file leaves none open (Linux tells)", async () => {
  for (let times = 0; times < 3; times++)
    await new Promise<void>((resolve, reject) => {
      get(url, (answer) => {
        answer.once("data", () => {
          answer.destroy();
          resolve();
        });
      }).on("error", reject);
    });
  const open = (): number => readdirSync(descriptors).filter((one) => linkOf(one) === file).length;
  for (let tries = 0; open() > 0 && tries < 50; tries++) await new Promise((next) => setTimeout(next, 100));
  expect(open()).toBe(0);
});

function linkOf(descriptor: string): string {
  try {
    return readlinkSync(path.join(descriptors, descriptor));
  } catch {
    // It was closed meanwhile.
    return "";
  }
}
