import { openSession, type Session, type SessionOptions } from "../session/session.ts";
import type { Level } from "./tally.ts";

/** Where graphs run. */
export type Where = Pick<SessionOptions, "provider" | "threads">;

/** Opens graphs one after the other, on the device where the first one starts, and closes them whatever happens. */
export async function withSessions<T>(
  files: readonly string[],
  level: Level,
  { provider, threads }: Where,
  act: (sessions: readonly Session[]) => Promise<T>,
): Promise<T> {
  const sessions: Session[] = [];
  try {
    for (const file of files) {
      const chosen = sessions[0]?.provider ?? provider;
      const options: SessionOptions = {
        optimizations: level,
        ...(chosen === undefined ? {} : { provider: chosen }),
        ...(threads === undefined ? {} : { threads }),
      };
      sessions.push(await openSession(file, options));
    }
    return await act(sessions);
  } finally {
    for (const session of sessions) await session.close();
  }
}
