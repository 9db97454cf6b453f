import type { Operation } from "../operation.ts";
import { userOf } from "../user-sessions.ts";
import { verifyUser } from "../verify-user.ts";

/** Restarts a completed erasure if something of the user remains, or came back with a restored backup. */
export const eraseLeftBehind: Operation = {
  async slice(request, _cursor, parts) {
    const user = userOf(request);
    const { erasure } = await parts.users.standing(user);
    if (erasure !== "erased") return { cursor: null, counts: {} };
    const left = await parts.withDatabase((database) => verifyUser(user, database, parts));
    if (left.length > 0 && !request.dryRun) await parts.users.eraseAgain(user);
    return { cursor: null, counts: {}, notes: left.map(({ detail }) => detail) };
  },
};
