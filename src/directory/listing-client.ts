import type { Metadata, SessionRef } from "../api/session.ts";
import type { DirectoryClient } from "./client.ts";

/** What the list is to say of a session that is there. */
export interface Living {
  readonly metadata: Metadata;
  /** An import that is not whole is on no list. */
  readonly isListed: boolean;
  /** The word of the directory by which it began; 0 if none. */
  readonly begunBy: number;
}

/**
 * Takes a session that is gone off the list. Where only its object can tell which epoch the entry is of, that is asked: an entry of a
 * session that is there stays, or comes back.
 * @param grantedAt the newest word of the directory that the epoch which is gone had heard of; 0 if it is not known
 * @param look asks the session's object what is there; null if nothing is
 * @returns until when an epoch may still come by another word, in ms since 1970: to be called again then; null if the list is right
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
      // Whoever began it may be gone before the list was told: what stands there may be of the epoch before.
      await directory.renew(ref, living.metadata, living.begunBy);
      await directory.relist(ref, living.metadata);
    }
    return null;
  }
  if (removal.state === "held") return removal.until;
  // Nothing came of the later word, and nothing can any more.
  const last = await directory.remove(ref, removal.grantedAt, true);
  return last.state === "held" ? last.until : null;
}
