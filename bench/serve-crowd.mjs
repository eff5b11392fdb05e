/**
 * A crowd of clients of `tfc serve`, of all kinds that a server meets: those that read at once, in a stream or slowly,
 * those that leave, and those that send what cannot be answered.
 */
import { Agent, request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

/** Kinds of clients, and how many of a hundred there are of each. */
export const kinds = { whole: 40, stream: 30, slow: 10, leaves: 10, broken: 10 };

/** What those send that cannot be answered, and the status that they are answered with. */
const broken = [
  ['{"model": "bro', 400],
  ["\u0000\u0001", 400],
  [JSON.stringify({ model: "nobody", prompt: "a" }), 404],
  [JSON.stringify({ model: 3, prompt: "a" }), 400],
  [JSON.stringify({ prompt: [-1] }), 400],
];

/**
 * Sends clients to a server, all at once.
 *
 * @param url of the server
 * @param asks bodies of requests; each client has one
 * @param count of clients
 * @param seed decides which client is of which kind and asks what
 * @returns for each client its kind, its ask, the status and the text that it got
 */
export async function crowd(url, asks, count, seed = 1) {
  const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
  const random = numbers(seed);
  const clients = Array.from({ length: count }, (_, i) => {
    const ask = Math.floor(random() * asks.length);
    return { kind: kindAt(random() * 100), ask, number: i };
  });
  try {
    return await Promise.all(clients.map((client) => visit(client, { url, agent, body: asks[client.ask] })));
  } finally {
    agent.destroy();
  }
}

function kindAt(place) {
  let end = 0;
  for (const [kind, share] of Object.entries(kinds)) if (place < (end += share)) return kind;
  return "whole";
}

async function visit(client, { url, agent, body }) {
  const { kind, number } = client;
  if (kind === "broken") {
    const [text, wanted] = broken[number % broken.length];
    return { ...client, wanted, ...(await post({ url, agent, text })) };
  }
  if (kind === "whole") {
    const answer = await post({ url, agent, text: JSON.stringify(body) });
    return { ...client, wanted: 200, status: answer.status, text: answer.json?.choices?.[0]?.text };
  }
  const text = JSON.stringify({ ...body, stream: true });
  const pause = kind === "slow" ? 5 : 0;
  const leavesAfter = kind === "leaves" ? 1 + (number % 3) : Infinity;
  const answer = await post({ url, agent, text, pause, leavesAfter });
  return {
    ...client,
    wanted: 200,
    status: answer.status,
    text: said(answer.text),
    isWhole: isDone(answer.text),
  };
}

/** @param leavesAfter parts of the answer after which the client closes its connection */
function post({ url, agent, text, pause = 0, leavesAfter = Infinity }) {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}/v1/completions`, {
      agent,
      method: "POST",
      headers: { "content-type": "application/json" },
    });
    let left = false;
    sent.on("error", (error) => {
      if (!left) reject(error);
    });
    sent.on("response", async (response) => {
      let got = "";
      let parts = 0;
      try {
        for await (const part of response) {
          got += part;
          if (++parts >= leavesAfter) break;
          if (pause > 0) await delay(pause);
        }
        left = parts >= leavesAfter;
        if (left) sent.destroy();
        resolve({ status: response.statusCode, text: got, json: jsonOf(got) });
      } catch (error) {
        reject(error);
      }
    });
    sent.end(text);
  });
}

function jsonOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The text of a stream, as far as it came. */
function said(stream) {
  const events = stream.split("\n\n").slice(0, -1);
  const objects = events.map((event) => jsonOf(event.replace(/^data: /, ""))).filter(Boolean);
  return objects.map(({ choices }) => choices?.[0]?.text ?? "").join("");
}

function isDone(stream) {
  return stream.endsWith("data: [DONE]\n\n");
}

/** Numbers in [0, 1) that a seed decides (mulberry32). */
function numbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
