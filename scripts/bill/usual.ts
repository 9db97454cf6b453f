// The usage whose bill the documents show.
import type { Use } from "./month.ts";

/** Settings as in wrangler.toml; a test compares them. */
export const USUAL: Omit<Use, "users"> = {
  turns: 20,
  days: 30,
  sessions: 4,
  awake: 0,
  traces: 0.05,
  logs: 1,
};

export const USERS = [1_000, 10_000, 1_000_000] as const;
