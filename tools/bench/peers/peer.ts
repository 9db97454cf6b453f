// What every compared memory has to do.
import type { Turn } from "../talk.ts";

/** One conversation in a memory. */
export interface Conversation {
  /** Stores the past, by the quickest means that the memory offers. It is not timed. */
  fill(turns: readonly Turn[]): Promise<void>;
  append(turn: Turn): Promise<void>;
  /** Reads what the next prompt needs, as the peer's `gives` describes it. Returns the number of messages. */
  next(): Promise<number>;
  /** Bytes and rows on disk, or in the server's memory; null where they cannot be counted. */
  size(): Promise<Size>;
}

export interface Size {
  readonly bytes: number | null;
  readonly rows: number | null;
}

export interface Peer {
  readonly name: string;
  /** Where the measured code runs, and over what it is asked. */
  readonly where: string;
  /** What `next` reads. */
  readonly gives: string;
  /** What survives if the machine loses power right after an append. */
  readonly keeps: string;
  /** @param id must differ for each conversation */
  converse(id: string): Promise<Conversation>;
  close(): Promise<void>;
}

/** Says why the memory cannot be measured here; else null. */
export type OpenedPeer = { readonly peer: Peer } | { readonly name: string; readonly left: string };

/** What the memories share: a PostgreSQL, a Redis if there is one, and a folder. */
export interface Surroundings {
  /** Creates a database for one memory. */
  readonly makeDatabase: (name: string) => Promise<string>;
  /** Null if no redis-server was found. */
  readonly redisUrl: string | null;
  /** A folder for the files of one memory. */
  readonly makeFolder: (name: string) => string;
  /** Threadkeep as it would be deployed, made by `bundleWorker`. */
  readonly bundleDir: string;
  readonly signal: AbortSignal;
}

/** How many messages a prompt gets from a memory that has no token budget. */
export const RECENT = 50;
