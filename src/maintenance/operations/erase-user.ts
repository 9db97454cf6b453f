import type { UserErasure } from "../../api/user.ts";
import { auditRun } from "../audit-run.ts";
import type { Operation, Slice } from "../operation.ts";
import { countSessions, userOf } from "../user-sessions.ts";

/**
 * An erasure takes seconds, and longer while PostgreSQL is out of reach. It continues by itself when the run stops
 * waiting for it.
 */
const LOOK_AGAIN_SECONDS = 5;
const MAX_LOOKS = 120;

/** Erases a user everywhere, and waits until a check of every place finds nothing. */
export const eraseUser: Operation = {
  async slice(request, cursor, parts, runId) {
    const user = userOf(request);
    if (request.dryRun) {
      const sessions = await countSessions(user, parts);
      return { cursor: null, counts: { listed: sessions }, total: sessions };
    }
    if (cursor === null) {
      const erasure = await parts.users.erase(user);
      auditRun("eraseUser", user, runId, parts);
      return toSlice(erasure, 1);
    }
    const erasure = await parts.users.readErasure(user);
    return erasure === null ? { cursor: null, counts: {}, notes: [FORGOTTEN] } : toSlice(erasure, Number(cursor) + 1);
  },
};

const FORGOTTEN = "The erasure was over so long ago that nothing is kept of it.";
const GOES_ON = "The erasure goes on by itself: GET /v1/users/{userId}/erasure tells how far it is.";

function toSlice(erasure: UserErasure, looks: number): Slice {
  const { state, sessions } = erasure;
  if (state === "erased") return { cursor: null, counts: { erased: sessions }, total: sessions };
  const waits = { waitSeconds: LOOK_AGAIN_SECONDS, total: sessions, counts: {} };
  if (looks < MAX_LOOKS) return { ...waits, cursor: String(looks) };
  return {
    ...waits,
    cursor: null,
    counts: { erasing: sessions - erasure.erased, erased: erasure.erased },
    notes: [GOES_ON],
  };
}
