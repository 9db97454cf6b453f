// The usage whose bill the documents show.
import type { Use } from "./month.ts";

/** The sampling of production as in wrangler.toml; a test compares it. */
export const USUAL: Omit<Use, "users"> = {
  turns: 20,
  days: 30,
  sessions: 4,
  awake: 0,
  traces: 0.002,
  logs: 0.05,
  points: 0.1,
};

export const USERS = [1_000, 10_000, 1_000_000] as const;

/** Rates of traces and log lines that docs/capacity.md compares: everything, and what fits more and more users. */
export const SAMPLINGS: readonly Pick<Use, "traces" | "logs">[] = [
  { traces: 1, logs: 1 },
  { traces: 0.05, logs: 1 },
  { traces: 0.01, logs: 1 },
  { traces: USUAL.traces, logs: USUAL.logs },
  { traces: 0.001, logs: 0.01 },
];
