import type { CallOptions } from "./connection.ts";
import type { Message } from "./contract.ts";
import { ThreadkeepError } from "./errors.ts";
import type { Session } from "./session.ts";

/** Larger than any seq: a session has at most 100,000 messages. */
const PAST_THE_END = 1_000_000_000;
const MAX_PAGE_SIZE = 100;

/** The newest `count` messages of the active branch, in order; none if the session does not exist. */
export async function readBack(session: Session, count: number, options: CallOptions): Promise<Message[]> {
  if (count < 1) return [];
  const limit = Math.min(count, MAX_PAGE_SIZE);
  const read: Message[] = [];
  try {
    const pages = session.messages({ ...options, branch: "active", beforeSeq: PAST_THE_END, limit }).pages();
    for await (const { data } of pages) {
      // Each page is in order, and comes before the page that was read before it.
      read.unshift(...data);
      if (read.length >= count) break;
    }
  } catch (error) {
    if (!(error instanceof ThreadkeepError && error.code === "session_not_found")) throw error;
  }
  return read.slice(-count);
}

/** The active branch from its end, requested page by page; nothing if the session does not exist. */
export async function* newestFirst(session: Session, limit: number, options: CallOptions): AsyncGenerator<Message> {
  try {
    const pages = session.messages({ ...options, branch: "active", beforeSeq: PAST_THE_END, limit }).pages();
    for await (const { data } of pages) yield* data.toReversed();
  } catch (error) {
    if (!(error instanceof ThreadkeepError && error.code === "session_not_found")) throw error;
  }
}

/** The first page of the active branch from a message on. */
export async function readFrom(session: Session, seq: number, options: CallOptions): Promise<Message[]> {
  const { data } = await session
    .messages({ ...options, branch: "active", afterSeq: seq - 1, limit: MAX_PAGE_SIZE })
    .page();
  return data;
}
