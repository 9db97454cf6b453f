// The command line of the crashes.
import { randomInt } from "node:crypto";
import {
  type CommandLine,
  noneOf,
  readCommandLine,
  readNumber,
  readOutputFile,
  UsageFault,
} from "../../scripts/program/command-line.ts";

/** What is killed: all processes of the service, the database server, or both at the same moment. */
export const VICTIMS = ["service", "postgres", "both"] as const;
export type Victim = (typeof VICTIMS)[number];

const DEFAULTS = { kills: 20, chats: 6, within: 3_000 };
const MAX = { kills: 1_000, chats: 100, within: 60_000, seed: 999_999_999 } as const;

export const HELP = `npm run crash -- [OPTION…]     kill -9 under load, again and again, and whether what clients were told is true

It starts a PostgreSQL and a service with a state of their own, and a stand-in for the summarizer. For each kill new chats begin; at a random
moment the service, PostgreSQL or both are killed and started again; the chats repeat what was not answered, and go on. Then each chat is
compared with what its client was told: every acknowledged message is there, once, in its place, and the context has no gap. While only
PostgreSQL is gone, no request may fail. In the end every summary that is owed is waited for, in the session and in PostgreSQL, and no call
of the summarizer was made twice, but for one that a kill kept from being saved.

  --kills N      1 to ${MAX.kills.toLocaleString("en")} (${DEFAULTS.kills}); one takes about 8 s
  --of WHAT      ${VICTIMS.join(", ")}; may be named again (all)
  --chats N      chats that go on while something is killed, 1 to ${MAX.chats} (${DEFAULTS.chats})
  --within MS    the latest moment of a kill, from the first answer of its chats on, 1 to ${MAX.within.toLocaleString("en")} (${DEFAULTS.within.toLocaleString("en")})
  --seed N       of what is killed and when, 0 to ${MAX.seed}: the same seed asks for the same kills; what they hit still varies
  --json FILE    the report as JSON
  --help         this text

At the first fault it stops, tells it, and leaves the state of the service for a look. The exit code is 0 if all of it held, 1 if something
did not. The last summaries may take four minutes: a job that a kill took along is done again when its lease is over.
`;

export interface CrashOptions {
  readonly kills: number;
  readonly victims: readonly Victim[];
  readonly chats: number;
  readonly withinMs: number;
  readonly seed: number;
  readonly jsonFile: string | undefined;
}

const OPTIONS = {
  kills: { type: "string" },
  of: { type: "string", multiple: true, default: [] as string[] },
  chats: { type: "string" },
  within: { type: "string" },
  seed: { type: "string" },
  json: { type: "string" },
} as const;

export function parseOptions(args: readonly string[]): CommandLine<CrashOptions> {
  return readCommandLine(args, OPTIONS, (values, positionals) => {
    noneOf(positionals);
    const read = (name: keyof typeof MAX, text: string | undefined, fallback: number, min = 1): number =>
      text === undefined ? fallback : readNumber(`--${name}`, text, min, MAX[name]);
    return {
      kills: read("kills", values.kills, DEFAULTS.kills),
      victims: readVictims(values.of),
      chats: read("chats", values.chats, DEFAULTS.chats),
      withinMs: read("within", values.within, DEFAULTS.within),
      seed: read("seed", values.seed, randomInt(MAX.seed), 0),
      jsonFile: values.json === undefined ? undefined : readOutputFile("--json", values.json),
    };
  });
}

function readVictims(names: readonly string[]): readonly Victim[] {
  const wanted = names.flatMap((name) => name.split(","));
  const unknown = wanted.find((name) => !VICTIMS.some((victim) => victim === name));
  if (unknown !== undefined) {
    throw new UsageFault(`--of takes ${VICTIMS.join(", ")}, not ${JSON.stringify(unknown)}`);
  }
  return wanted.length === 0 ? VICTIMS : VICTIMS.filter((victim) => wanted.includes(victim));
}
