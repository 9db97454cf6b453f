import type { Metadata } from "../../api/session.ts";
import type { SessionRow } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { newJob } from "./jobs.ts";

/**
 * What the directory's list of sessions holds of one session. Whoever changes the metadata also tells the directory. In
 * case that call is lost, the object also keeps a job of kind `list`.
 */
export interface Listing {
  readonly metadata: Metadata;
  /** Counts the changes of the metadata; the directory keeps the highest. */
  readonly metadataRev: number;
  /** The newest creation grant that the session has recorded, in ms since 1970. */
  readonly grantedAt: number;
  /** The creation grant with which this epoch began; 0 if there was none. */
  readonly begunBy: number;
}

/**
 * How long the caller has to tell the directory and confirm it before the job is sent. Usually it does, which saves a
 * queue message.
 */
const CALLER_MS = 5_000;

/** Schedules the job that tells the directory the session's current metadata. */
export function scheduleListing(unit: Unit): void {
  const { store, now } = unit;
  const open = store.jobs.first("list");
  if (open === null) store.jobs.put(newJob(unit, { kind: "list" }, { nextSendAt: now + CALLER_MS }));
  // While the directory fails, the backoff stays in effect.
  else if (open.failures === 0) store.jobs.put({ ...open, nextSendAt: now + CALLER_MS });
}

/** What the directory should list of a session. */
export function listingOf({ metadata, metadataRev, grantedAt, begunBy }: SessionRow): Listing {
  return { metadata, metadataRev, grantedAt, begunBy };
}
