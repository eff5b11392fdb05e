import { isIP } from "node:net";

/** Whether an address is of this machine alone. */
export function isLoopback(host: string): boolean {
  if (host === "localhost") return true;
  return isIP(host) === 4 ? host.startsWith("127.") : host === "::1" || /^::ffff:127\./i.test(host);
}
