import { z } from "zod";
import type { Seq, StoredMessage } from "./message.ts";
import type { Metadata, SessionRef } from "./session.ts";
import type { KeptItem } from "./summary.ts";

/**
 * - `missing-summary`: items or the other store refer to a version of the summary that does not exist
 * - `wrong-range`: a version covers messages that it cannot cover, or an item cites messages after those that its
 * version covers
 * - `stale-source`: an item cites a message that was erased, or that no longer supports it
 * - `orphan`: the archive holds data of which no session object knows
 * - `half-erased-user`: data of an erased user is left
 * - `different-archive`: the archive's copy of a session differs from its object
 * - `missing-job`: work is to be done, but no job for it is scheduled, or no alarm is set to send it
 * - `broken-log`: a message is missing, or the running totals are wrong
 * - `lost-session`: the directory and the archive list a session whose object is empty
 * - `unlisted-session`: an object holds a session that the directory does not list, so export and erasure of its user
 * miss it
 */
export const findingKindSchema = z.enum([
  "missing-summary",
  "wrong-range",
  "stale-source",
  "orphan",
  "half-erased-user",
  "different-archive",
  "missing-job",
  "broken-log",
  "lost-session",
  "unlisted-session",
]);

export const mendSchema = z
  .enum(["archive", "rebuild", "erase-user"])
  .nullable()
  .describe("The operation that repairs it. null: none can, and `detail` says what to do");

/** An inconsistency in stored data. It contains names and numbers, never text of a chat. */
const findingSchema = z
  .object({
    kind: findingKindSchema,
    tenant: z.string(),
    owner: z.string().describe('A user\'s id, or "-" for a session of the tenant itself; empty if it is not known'),
    session: z
      .string()
      .nullable()
      .describe("null if the finding is about the user, or about an epoch whose session id is not known"),
    detail: z.string(),
    mend: mendSchema,
  })
  .meta({ id: "Finding" });
export type Finding = z.infer<typeof findingSchema>;

/** What is wrong, before the session is added to it. */
export type Flaw = Pick<Finding, "kind" | "detail" | "mend">;

export function findingOf({ tenant, owner, session }: SessionRef, { kind, detail, mend }: Flaw): Finding {
  return { kind, tenant, owner, session, detail, mend };
}

/** A version of the summary, as both the object and the archive store it. Times are in ms since 1970. */
export interface StoredVersion {
  readonly version: number;
  readonly throughSeq: Seq;
  readonly tokens: number;
  readonly summarizer: string;
  readonly degraded: boolean;
  readonly droppedItems: number;
  readonly createdAt: number;
}

/** An item, and the versions of the summary that contain it: from `fromVersion` until just before `toVersion`. */
export interface StoredItem extends KeptItem {
  readonly fromVersion: number;
  readonly toVersion: number | null;
}

/** What the directory knows of its owner and of one session. */
export interface OwnerStanding {
  readonly isListed: boolean;
  /** Number of entries, in whatever state they are. */
  readonly entries: number;
  readonly erasure: "erasing" | "erased" | null;
  readonly hasAuditKey: boolean;
}

/** What a session object holds, as far as the archive must hold the same, and which flaws it found in itself. */
export interface IntegrityReport {
  readonly state: "active" | "copying" | "expired" | "erased" | "nothing";
  /** Null if the object is empty. */
  readonly epoch: string | null;
  readonly rev: number;
  /** The last `rev` that the archive confirmed. */
  readonly archivedRev: number;
  /** Whether writes to the archive are pending. Until they are done, its rows may be older, or some of them newer. */
  readonly isArchivePending: boolean;
  /** Epochs whose erasure the archive has not confirmed yet. */
  readonly erasedEpochs: readonly string[];
  readonly headSeq: Seq;
  readonly metadata: Metadata;
  /** The newest version of the summary, and the last message that it covers; null if there is no summary. */
  readonly newest: Pick<StoredVersion, "version" | "throughSeq"> | null;
  /** The last message that the archive holds; 0 if it holds none. */
  readonly messageSeq: Seq;
  readonly flaws: readonly Flaw[];
}

/** One page of the summary's history: the versions after a given one, and the items that first appear in them. */
export interface SummaryIntegrity {
  readonly versions: readonly StoredVersion[];
  readonly items: readonly StoredItem[];
  readonly flaws: readonly Flaw[];
  /** The last version of this page. On the last page it is larger than every version. */
  readonly throughVersion: number;
  readonly isLast: boolean;
}

/** One page of the check that compares each item with the messages that it cites. */
export interface SourcesIntegrity {
  readonly flaws: readonly Flaw[];
  /** The row after which the next page begins. */
  readonly throughRow: number;
  readonly isLast: boolean;
}

/** One page of the log. */
export interface LogIntegrity {
  readonly flaws: readonly Flaw[];
  /** The messages of this page that the archive must hold. */
  readonly messages: readonly StoredMessage[];
  /** The last message of the page. */
  readonly throughSeq: Seq;
  readonly isLast: boolean;
}
