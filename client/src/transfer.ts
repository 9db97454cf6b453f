import type {
  Content,
  ItemKind,
  ItemStatus,
  Metadata,
  Role,
  SessionSettings,
  SummaryItem,
  SummaryUsage,
} from "./contract.ts";

/**
 * The lines of an export, in this order: the session, its messages, the versions of its summary, their items, an end
 * line.
 */
export type TransferLine = SessionLine | MessageLine | SummaryLine | ItemLine | EndLine;

export interface SessionLine {
  type: "session";
  format: "threadkeep-session";
  formatVersion: 1;
  id: string;
  createdAt: string;
  metadata: Metadata;
  settings: SessionSettings;
}

export interface MessageLine {
  type: "message";
  seq: number;
  id: string;
  /** The message that it follows, if that is not the one before it; 0: none. */
  afterSeq?: number | undefined;
  role: Role;
  author?: string | undefined;
  /** Present unless the message was erased. */
  content?: Content | undefined;
  metadata?: Metadata | undefined;
  occurredAt?: string | undefined;
  createdAt: string;
  editedAt?: string | undefined;
  erasedAt?: string | undefined;
  pinned?: true | undefined;
}

export interface SummaryLine {
  type: "summary";
  version: number;
  throughSeq: number;
  tokens: number;
  summarizer: string;
  degraded: boolean;
  droppedItems: number;
  usage?: SummaryUsage | undefined;
  createdAt: string;
}

export interface ItemLine {
  type: "item";
  id: string;
  fromVersion: number;
  /** The first version that no longer contains the item. */
  toVersion?: number | undefined;
  kind: ItemKind;
  text: string;
  sourceSeqs: number[];
  sourceSession?: string | undefined;
  status: ItemStatus;
}

/** The last line. Without it the file is truncated. */
export interface EndLine {
  type: "end";
  messages: number;
  summaries: number;
  items: number;
  /** The last message of the active branch, if that is not the newest message. */
  branchHeadSeq?: number | undefined;
  /** false: the session was edited during the export; export it again. */
  complete: boolean;
}

/**
 * The lines of a user's export: the user, the lines of each session, the failed jobs, and an end line with the counts.
 * A large export has a line `user-next` wherever it can be resumed.
 */
export type UserTransferLine = UserLine | TransferLine | UnavailableLine | FailureLine | UserNextLine | UserEndLine;

export interface UserLine {
  type: "user";
  format: "threadkeep-user";
  formatVersion: 1;
  userId: string;
  exportedAt: string;
}

/**
 * Takes the place of a session, or of the rest of it, that was erased during the export, has expired, or is still being
 * copied.
 */
export interface UnavailableLine {
  type: "unavailable";
  id: string;
  createdAt: string;
  /** Empty if the beginning of the session was on an earlier page. */
  metadata: Record<string, unknown>;
  code: "session_not_found" | "session_expired" | "session_not_ready";
  /** For an expired session: the items that the archive holds. Missing if it cannot be reached. */
  items?: SummaryItem[] | undefined;
}

export interface FailureLine {
  type: "failure";
  jobId: string;
  kind: string;
  tenant: string;
  owner: string;
  session: string;
  state: "retrying" | "failed" | "undelivered" | "unknown" | "set-aside" | "away";
  reason: string;
  attempts: number;
  firstError: string;
  firstFailedAt: string;
  lastError: string;
  lastFailedAt: string;
}

/** All lines up to this one have arrived. With its cursor, the export continues after it. */
export interface UserNextLine {
  type: "user-next";
  cursor: string;
}

export interface UserEndLine {
  type: "user-end";
  /** Sessions that are complete in this export. */
  sessions: number;
  unavailable: number;
  failures: number;
}
