import type { Metadata, SessionRef } from "../api/session.ts";
import type { DirectoryClient } from "./client.ts";

/** What the directory should list of a session that exists. */
export interface Living {
  readonly metadata: Metadata;
  /** Whether lists show it; false for an unfinished import. */
  readonly isListed: boolean;
  /** The creation grant with which its epoch began; 0 if there was none. */
  readonly begunBy: number;
}

/**
 * Removes a session that is gone from the directory's list. If only the session's object can tell which epoch the entry
 * describes, it is asked. If it holds a session, the entry stays, or is shown again.
 * @param grantedAt the newest creation grant that the gone epoch had recorded; 0 if unknown
 * @param look asks the session's object what it holds; null if nothing
 * @returns null if the list is right now; otherwise the time (ms since 1970) until which another grant may still create
 *   an epoch: call this again then
 */
export async function takeOffList(
  directory: Pick<DirectoryClient, "remove" | "renew" | "relist">,
  ref: SessionRef,
  grantedAt: number,
  look: () => Promise<Living | null>,
): Promise<number | null> {
  const removal = await directory.remove(ref, grantedAt);
  if (removal.state === "gone") return null;
  const living = await look();
  if (living !== null) {
    if (living.isListed) {
      // The request that created the session may have crashed before it told the directory, so the entry may still
      // describe an earlier epoch.
      await directory.renew(ref, living.metadata, living.begunBy);
      await directory.relist(ref, living.metadata);
    }
    return null;
  }
  if (removal.state === "held") return removal.until;
  // The later grant created nothing, and no longer can.
  const last = await directory.remove(ref, removal.grantedAt, true);
  return last.state === "held" ? last.until : null;
}
