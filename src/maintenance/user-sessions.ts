import { MAX_SLICE_SIZE, type OperationRequest } from "../api/operation-run.ts";
import type { UserRef } from "../api/user.ts";
import { enumerateSessions } from "./enumerate-sessions.ts";
import type { MaintenanceDeps } from "./operation.ts";

/** The user that a request names. The request's schema guarantees that there is one. */
export function userOf({ op, tenant, user }: OperationRequest): UserRef {
  if (tenant === undefined || user === undefined) throw new Error(`${op} came without a user`);
  return { tenant, owner: user };
}

/** Counts a user's sessions from the list alone, without calling them. */
export async function countSessions({ tenant, owner }: UserRef, parts: MaintenanceDeps): Promise<number> {
  let count = 0;
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof enumerateSessions>> = await enumerateSessions(
      { tenant, user: owner },
      cursor,
      MAX_SLICE_SIZE,
      parts,
    );
    count += page.refs.length;
    cursor = page.cursor;
  } while (cursor !== null);
  return count;
}
