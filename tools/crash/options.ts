// The command line of the crashes.
import { randomInt } from "node:crypto";
import { createProgram, namesOf, outputFile, wholeNumber } from "../../scripts/program/command-line.ts";

/** What is killed: all processes of the service, the database server, or both at the same moment. */
export const VICTIMS = ["service", "postgres", "both"] as const;
export type Victim = (typeof VICTIMS)[number];

const DEFAULTS = { kills: 20, chats: 6, within: 3_000 };
const MAX = { kills: 1_000, chats: 100, within: 60_000, seed: 999_999_999 } as const;

export interface CrashOptions {
  readonly kills: number;
  readonly victims: readonly Victim[];
  readonly chats: number;
  readonly withinMs: number;
  readonly seed: number;
  readonly jsonFile: string | undefined;
}

export function crashProgram(run: (options: CrashOptions) => Promise<number>) {
  return createProgram(
    "npm run crash --",
    "Kills the service and its database under load, repeatedly, and checks that what clients were told still holds.",
  )
    .option("--kills <n>", "how many kills; each takes about 8 s", wholeNumber(1, MAX.kills), DEFAULTS.kills)
    .option("--of <what...>", `what is killed: ${VICTIMS.join(", ")} (default: all)`, namesOf(VICTIMS))
    .option("--chats <n>", "chats that continue during each kill", wholeNumber(1, MAX.chats), DEFAULTS.chats)
    .option(
      "--within <ms>",
      "the latest moment of a kill, counted from the first answers of its chats",
      wholeNumber(1, MAX.within),
      DEFAULTS.within,
    )
    .option(
      "--seed <n>",
      "decides what is killed and when; which requests a kill interrupts still varies",
      wholeNumber(0, MAX.seed),
    )
    .option("--json <file>", "write the report to this file, as JSON", outputFile)
    .addHelpText(
      "after",
      `
It starts a PostgreSQL and a service with their own data, and a stand-in for the summarizer. For each kill it starts new
chats. At a random moment the service, PostgreSQL or both are killed and started again; the chats repeat unanswered
requests and continue. Then each chat is compared with what its client was told: every acknowledged message is there
once, in its place, and the context has no gap. While only PostgreSQL is down, no request may fail. At the end it
waits for every pending summary, in the session and in PostgreSQL. The summarizer must not have been called twice for
the same messages, unless a kill prevented its answer from being saved.

At the first fault it stops, reports it, and leaves the service's data for inspection. The exit code is 0 if all of
this held, else 1. The last summaries may take four minutes: a job that a kill interrupted is done again when its
lease expires.

Examples:
  npm run crash
  npm run crash -- --kills 100 --of postgres both --seed 7`,
    )
    .action(async ({ kills, of = VICTIMS, chats, within, seed = randomInt(MAX.seed), json }) => {
      const victims = VICTIMS.filter((victim) => of.includes(victim));
      process.exitCode = await run({ kills, victims, chats, withinMs: within, seed, jsonFile: json });
    });
}
