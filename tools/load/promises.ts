import type { ScenarioName } from "./options.ts";
import { OPERATIONS } from "./play.ts";
import type { ReadBack } from "./read-back.ts";
// What has to hold under load, and whether it did. Pure functions.
import type { OperationRow } from "./recorder.ts";
import type { Updates } from "./updates.ts";

/** The share of requests at a human pace. */
const LEAST_SUCCESS = 0.995;
const READS_P99_MS = 100;
const UPDATES_P99_MS = 2_000;

export interface Promised {
  readonly promise: string;
  readonly seen: string;
  /** Null: printed, but not judged. */
  readonly held: boolean | null;
}

export interface Evidence {
  readonly scenario: ScenarioName;
  readonly judgesTimes: boolean;
  readonly rows: readonly OperationRow[];
  readonly readBack: ReadBack;
  readonly updates: Updates;
  /** Sockets that did not receive what they should have; null if there were none. */
  readonly socketFaults: readonly string[] | null;
}

/** In these scenarios times are not judged: chats that all speak at once wait for each other, and a slow model or database is not the service's fault. */
const READS_UNJUDGED: ReadonlySet<ScenarioName> = new Set(["burst"]);
const UPDATES_JUDGED: ReadonlySet<ScenarioName> = new Set(["human"]);

export function judge({ scenario, judgesTimes, rows, readBack, updates, socketFaults }: Evidence): Promised[] {
  const human = rows.filter(({ operation }) => Object.values(OPERATIONS).some((name) => operation.startsWith(name)));
  const sent = human.reduce((sum, row) => sum + row.sent, 0);
  const succeeded = human.reduce((sum, row) => sum + row.succeeded, 0);
  const share = sent === 0 ? 0 : succeeded / sent;
  const reads = rows.filter(
    ({ operation }) => operation.startsWith(OPERATIONS.context) || operation.startsWith(OPERATIONS.turn),
  );
  const readsMs = Math.max(0, ...reads.map(({ ms }) => ms?.p99Ms ?? 0));
  const { lost, doubled, gaps, unread, unsettled, examples } = readBack;
  const none = (promise: string, count: number): Promised => ({
    promise,
    seen: count === 0 ? "none" : `${count.toLocaleString("en")}${examples[0] === undefined ? "" : `: ${examples[0]}`}`,
    held: count === 0,
  });
  return [
    {
      promise: `at least ${LEAST_SUCCESS * 100} % of requests are answered`,
      seen: `${(Math.floor(share * 100_000) / 1_000).toFixed(3)} % of ${sent.toLocaleString("en")}`,
      held: sent > 0 && share >= LEAST_SUCCESS,
    },
    none("no acknowledged message is lost or changed", lost),
    none("no message is stored twice, out of order, or without having been sent", doubled),
    none("no gap in any context", gaps),
    none("every session can be read back", unread),
    none("every summary is made, and archived", unsettled),
    {
      promise: "PostgreSQL has the newest summary of each session",
      seen: updates.missing.length === 0 ? "all" : `${updates.missing.length} missing: ${updates.missing[0]}`,
      held: updates.missing.length === 0,
    },
    ...(socketFaults === null
      ? []
      : [
          {
            promise: "each socket receives each message once, in order",
            seen: socketFaults.length === 0 ? "all" : `${socketFaults.length} did not: ${socketFaults[0]}`,
            held: socketFaults.length === 0,
          },
        ]),
    {
      promise: `reads p99 under ${READS_P99_MS} ms`,
      seen: `${readsMs.toFixed(1)} ms`,
      held: judgesTimes && !READS_UNJUDGED.has(scenario) ? readsMs < READS_P99_MS : null,
    },
    {
      promise: `updates p99 under ${UPDATES_P99_MS / 1_000} s, until they are in PostgreSQL`,
      seen: updates.archived === null ? "no summary was due" : `${updates.archived.p99Ms.toFixed(0)} ms`,
      held:
        judgesTimes && UPDATES_JUDGED.has(scenario) && updates.archived !== null
          ? updates.archived.p99Ms < UPDATES_P99_MS
          : null,
    },
  ];
}

export function haveHeld(promises: readonly Promised[]): boolean {
  return promises.every(({ held }) => held !== false);
}
