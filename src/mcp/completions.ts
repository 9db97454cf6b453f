/** Suggestions for people who fill in the arguments of a resource or a prompt. */

import { MAX_PAGE_SIZE } from "../api/limits.ts";
import { faultOf } from "../api/problem.ts";
import { sessionIdSchema } from "../api/session.ts";
import type { RequestContext } from "../usecases/request-context.ts";
import { listSessions, readSession } from "../usecases/sessions.ts";
import { protocolError } from "./faults.ts";
import type { OnFault } from "./tool-server.ts";

/** How many message numbers are suggested. More would not help to choose. */
const MAX_PLACES = 20;

export interface Completions {
  /** Ids of the caller's newest sessions that start with this text. */
  sessionId(beginning: string): Promise<string[]>;
  /** Numbers of messages that start with this text, newest first; none before the session is chosen. */
  seq(beginning: string, sessionId: string | undefined): Promise<string[]>;
}

export function completionsFor(call: RequestContext, onFault: OnFault): Completions {
  const answering = async (complete: () => Promise<string[]>): Promise<string[]> => {
    try {
      return await complete();
    } catch (thrown) {
      const fault = faultOf(thrown);
      onFault(fault, thrown);
      throw protocolError(fault, call.requestId);
    }
  };
  return {
    sessionId: (beginning) =>
      answering(async () => {
        const { data } = await listSessions(call, { limit: MAX_PAGE_SIZE });
        return data.map(({ id }) => id).filter((id) => id.startsWith(beginning));
      }),
    seq: (beginning, named) =>
      answering(async () => {
        const sessionId = sessionIdSchema.safeParse(named);
        if (!sessionId.success) return [];
        const { lastSeq } = await readSession(call, sessionId.data);
        const places: string[] = [];
        for (let seq = lastSeq; seq > 0 && places.length < MAX_PLACES; seq -= 1) {
          if (String(seq).startsWith(beginning)) places.push(String(seq));
        }
        return places;
      }),
  };
}
