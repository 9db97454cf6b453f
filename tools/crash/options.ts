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
    "kill -9 under load, again and again, and whether what clients were told is true.",
  )
    .option("--kills <n>", "so many; one takes about 8 s", wholeNumber(1, MAX.kills), DEFAULTS.kills)
    .option("--of <what...>", `what is killed: ${VICTIMS.join(", ")} (default: all)`, namesOf(VICTIMS))
    .option("--chats <n>", "chats that go on while something is killed", wholeNumber(1, MAX.chats), DEFAULTS.chats)
    .option(
      "--within <ms>",
      "the latest moment of a kill, from the first answer of its chats on",
      wholeNumber(1, MAX.within),
      DEFAULTS.within,
    )
    .option(
      "--seed <n>",
      "of what is killed and when: the same seed asks for the same kills; what they hit still varies",
      wholeNumber(0, MAX.seed),
    )
    .option("--json <file>", "the report as JSON", outputFile)
    .addHelpText(
      "after",
      `
It starts a PostgreSQL and a service with a state of their own, and a stand-in for the summarizer. For each kill new chats
begin; at a random moment the service, PostgreSQL or both are killed and started again; the chats repeat what was not
answered, and go on. Then each chat is compared with what its client was told: every acknowledged message is there, once, in
its place, and the context has no gap. While only PostgreSQL is gone, no request may fail. In the end every summary that is
pending is waited for, in the session and in PostgreSQL, and no call of the summarizer was made twice, but for one that a kill
kept from being saved.

At the first fault it stops, tells it, and leaves the state of the service for a look. The exit code is 0 if all of it held,
1 if something did not. The last summaries may take four minutes: a job that a kill took along is done again when its lease
is over.

Examples:
  npm run crash
  npm run crash -- --kills 100 --of postgres both --seed 7`,
    )
    .action(async ({ kills, of = VICTIMS, chats, within, seed = randomInt(MAX.seed), json }) => {
      const victims = VICTIMS.filter((victim) => of.includes(victim));
      process.exitCode = await run({ kills, victims, chats, withinMs: within, seed, jsonFile: json });
    });
}
