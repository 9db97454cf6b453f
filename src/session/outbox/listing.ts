import type { Metadata } from "../../api/session.ts";
import type { SessionRow } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { newJob } from "./jobs.ts";

/** What the list of sessions says of one. Whoever changes it tells the directory; the object keeps it, should the caller not get that far. */
export interface Listing {
  readonly metadata: Metadata;
  /** Which change of the metadata it is: the directory keeps the latest. */
  readonly metadataRev: number;
  /** The newest grant of the directory that the session knows of. */
  readonly grantedAt: number;
  /** The grant by which the session began; 0 if there was none. */
  readonly begunBy: number;
}

/** Long enough for the caller to tell the directory and to confirm it, which spares the queue a message. */
const CALLER_MS = 5_000;

/** Owes the directory the session's metadata as it is now. */
export function scheduleListing(unit: Unit): void {
  const { store, now } = unit;
  const open = store.jobs.first("list");
  if (open === null) store.jobs.put(newJob("list", unit.session.epoch, unit.newId(), 0, now + CALLER_MS, now));
  // While the directory is away the backoff stands.
  else if (open.failures === 0) store.jobs.put({ ...open, nextSendAt: now + CALLER_MS });
}

export function listingOf({ metadata, metadataRev, grantedAt, begunBy }: SessionRow): Listing {
  return { metadata, metadataRev, grantedAt, begunBy };
}
