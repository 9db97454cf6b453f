// What every memory of chats is asked for here.
import type { Turn } from "../talk.ts";

/** One conversation in it. */
export interface Conversation {
  /** Puts the past in, in whatever steps are quickest for it. It is not timed. */
  fill(turns: readonly Turn[]): Promise<void>;
  append(turn: Turn): Promise<void>;
  /** Reads what the next prompt needs, as `gives` of the peer tells. Returns how many messages came. */
  next(): Promise<number>;
  /** What stands on disk, or in the server's memory, in bytes and rows; null where nobody counts it. */
  size(): Promise<Size>;
}

export interface Size {
  readonly bytes: number | null;
  readonly rows: number | null;
}

export interface Peer {
  readonly name: string;
  /** Where what is asked runs, and over what it is asked. */
  readonly where: string;
  /** What `next` reads. */
  readonly gives: string;
  /** What is left when the machine loses its power right after an append. */
  readonly keeps: string;
  /** @param id another one for each conversation */
  converse(id: string): Promise<Conversation>;
  close(): Promise<void>;
}

/** Null with a reason: it cannot be measured here. */
export type OpenedPeer = { readonly peer: Peer } | { readonly name: string; readonly left: string };

/** What the peers share: a PostgreSQL, perhaps a Redis, and a folder. */
export interface Surroundings {
  /** A database of its own. */
  readonly makeDatabase: (name: string) => Promise<string>;
  /** Null: no redis-server was found. */
  readonly redisUrl: string | null;
  /** For the files of one peer alone. */
  readonly makeFolder: (name: string) => string;
  /** Made by `bundleWorker`: Threadkeep as it is deployed. */
  readonly bundleDir: string;
  readonly signal: AbortSignal;
}

/** Messages that a prompt gets of a memory that knows of no budget. */
export const RECENT = 50;
