import type { CallOptions } from "./connection.ts";
import type { Message } from "./contract.ts";
import { ThreadkeepError } from "./errors.ts";
import type { Session } from "./session.ts";

/** Past the end of every session: none has more than 100,000 messages. */
const PAST_THE_END = 1_000_000_000;
const PAGE_SIZE = 100;

/** The end of the log, in order, read backwards until there is enough of it. A session that does not exist has nothing. */
export async function readBack(
  session: Session,
  options: CallOptions,
  isEnough: (read: readonly Message[]) => boolean,
): Promise<Message[]> {
  const read: Message[] = [];
  try {
    const pages = session.messages({ ...options, beforeSeq: PAST_THE_END, limit: PAGE_SIZE }).pages();
    for await (const { data } of pages) {
      read.unshift(...data);
      if (isEnough(read)) break;
    }
  } catch (error) {
    if (!(error instanceof ThreadkeepError && error.code === "session_not_found")) throw error;
  }
  return read;
}
