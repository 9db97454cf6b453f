import { z } from "zod";
import type { Seq, StoredMessage } from "./message.ts";
import type { Metadata, SessionRef } from "./session.ts";
import type { KeptItem } from "./summary.ts";

/**
 * - `missing-summary`: a version of the summary is not there that items or the other place speak of
 * - `wrong-range`: a version covers what it cannot, or an item cites past its version
 * - `stale-source`: an item rests on a message that was erased, or that does not say so any more
 * - `orphan`: the archive holds what no session's object knows
 * - `half-erased-user`: something is left of a user who was erased
 * - `different-archive`: the archive holds a session, and not as its object says
 * - `missing-job`: something has to be done, and no job owes it, or no alarm sends it
 * - `broken-log`: a message is missing, or the running totals do not add up
 * - `lost-session`: the list of sessions and the archive have it, and its object holds nothing
 * - `unlisted-session`: its object has it, and the list does not: export and erasure of its user pass it by
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
export type FindingKind = z.infer<typeof findingKindSchema>;

export const mendSchema = z
  .enum(["archive", "rebuild", "erase-user"])
  .nullable()
  .describe("The operation that mends it; null: none can, and the detail says what there is to do");
export type Mend = z.infer<typeof mendSchema>;

/** A promise that stored data breaks. Names and numbers alone: never what was said. */
export const findingSchema = z
  .object({
    kind: findingKindSchema,
    tenant: z.string(),
    owner: z.string().describe('A user\'s id, or "-" for a session of the tenant alone; empty where nothing names it'),
    session: z.string().nullable().describe("null: it is about the user, or about an epoch that nothing names"),
    detail: z.string(),
    mend: mendSchema,
  })
  .meta({ id: "Finding" });
export type Finding = z.infer<typeof findingSchema>;

/** What is wrong in one place, before it is said of which session. */
export type Flaw = Pick<Finding, "kind" | "detail" | "mend">;

export function findingOf({ tenant, owner, session }: SessionRef, { kind, detail, mend }: Flaw): Finding {
  return { kind, tenant, owner, session, detail, mend };
}

/** A version of the summary, in the object and in the archive alike. Times are in ms since 1970. */
export interface StoredVersion {
  readonly version: number;
  readonly throughSeq: Seq;
  readonly tokens: number;
  readonly summarizer: string;
  readonly degraded: boolean;
  readonly droppedItems: number;
  readonly createdAt: number;
}

/** An item, and the versions between which it holds. */
export interface StoredItem extends KeptItem {
  readonly fromVersion: number;
  readonly toVersion: number | null;
}

/** What a directory knows of its owner, and of one session. */
export interface OwnerStanding {
  readonly isListed: boolean;
  /** Entries, whatever became of them. */
  readonly entries: number;
  readonly erasure: "erasing" | "erased" | null;
  readonly hasAuditKey: boolean;
}

/** What a session's object holds, as far as the archive has to hold the same, and what is wrong with it by itself. */
export interface IntegrityReport {
  readonly state: "active" | "copying" | "expired" | "erased" | "nothing";
  /** Null where there is nothing. */
  readonly epoch: string | null;
  readonly rev: number;
  /** What the archive confirmed. */
  readonly archivedRev: number;
  /** The archive is still to be written to: what it holds may be older, or half of it newer. */
  readonly isArchivePending: boolean;
  /** Epochs whose erasure the archive has yet to confirm. */
  readonly erasedEpochs: readonly string[];
  readonly headSeq: Seq;
  readonly metadata: Metadata;
  /** The newest version of the summary, and the last message that it covers; null if there is none. */
  readonly newest: Pick<StoredVersion, "version" | "throughSeq"> | null;
  /** The last message that the archive holds; 0 if it holds none. */
  readonly messageSeq: Seq;
  readonly flaws: readonly Flaw[];
}

/** A page of the summary's history: versions after one, and the items that began with them. */
export interface SummaryIntegrity {
  readonly versions: readonly StoredVersion[];
  readonly items: readonly StoredItem[];
  readonly flaws: readonly Flaw[];
  /** The last version of the page; past all of them on the last page. */
  readonly throughVersion: number;
  readonly isLast: boolean;
}

/** A page of the items, held against what they cite. */
export interface SourcesIntegrity {
  readonly flaws: readonly Flaw[];
  /** Where the next page begins. */
  readonly throughRow: number;
  readonly isLast: boolean;
}

/** A page of the log. */
export interface LogIntegrity {
  readonly flaws: readonly Flaw[];
  /** Those of the page that the archive holds. */
  readonly messages: readonly StoredMessage[];
  /** The last message of the page. */
  readonly throughSeq: Seq;
  readonly isLast: boolean;
}
