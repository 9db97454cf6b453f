import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { runWrangler, type WranglerOptions, type WranglerRun } from "../../scripts/deploy/run-wrangler.ts";

/** What the stand-in for wrangler knows of an account, and what it was told. */
export interface StandInAccount {
  calls: { args: string[]; input: string }[];
  queues: string[];
  hyperdrives: { id: string; name: string; origin: { user: string }; caching: { disabled: boolean } }[];
  /** Null: the Worker was never deployed, and no secret set. */
  secrets: Record<string, string> | null;
}

const FAILURE = { code: 1, output: "✘ [ERROR] A request to the Cloudflare API failed." };

/** Answers as wrangler 4 does, and keeps what it is told in `account`. Commands that begin with `failsAt` fail. */
export function answerAsWrangler(account: StandInAccount, args: string[], input: string, failsAt = ""): WranglerRun {
  account.calls.push({ args, input });
  if (failsAt !== "" && args.join(" ").startsWith(failsAt)) return FAILURE;
  const [noun, verb, name = ""] = args;
  const hyperdrive = account.hyperdrives.find(({ id }) => id === name);
  switch (`${noun} ${verb}`) {
    case "queues list":
      return done(table(args[3] === "1" ? account.queues.map((queue, index) => [idOf(index), queue]) : []));
    case "queues create":
      account.queues.push(name);
      return done();
    case "hyperdrive list":
      return done(table(account.hyperdrives.map((each) => [each.id, each.name])));
    case "hyperdrive get":
      return done(JSON.stringify(hyperdrive, null, 2));
    case "hyperdrive create": {
      const { username } = new URL(args[args.indexOf("--connection-string") + 1] ?? "");
      const caching = { disabled: args.includes("--caching-disabled") };
      account.hyperdrives.push({ id: idOf(100), name, origin: { user: username }, caching });
      return done();
    }
    case "hyperdrive update":
      if (hyperdrive !== undefined) hyperdrive.caching = { disabled: args.includes("--caching-disabled") };
      return done();
    case "secret list":
      if (account.secrets === null) return { code: 1, output: "This Worker does not exist. [code: 10007]" };
      return done(JSON.stringify(Object.keys(account.secrets).map((key) => ({ name: key, type: "secret_text" }))));
    case "secret bulk":
      account.secrets = { ...account.secrets, ...(JSON.parse(input) as Record<string, string>) };
      return done();
    default:
      return { code: 1, output: `✘ [ERROR] Unknown arguments: ${args.join(", ")}` };
  }
}

function done(output = ""): WranglerRun {
  return { code: 0, output };
}

function idOf(number: number): string {
  return String(number).padStart(32, "abc");
}

function table(rows: string[][]): string {
  return ["┌────┬──────┐", "│ id │ name │", ...rows.map((row) => `│ ${row.join(" │ ")} │`), "└────┴──────┘"].join("\n");
}

/**
 * The account of a test.
 *
 * @param directory temporary, for the executable of `onPath`
 */
export function standInWrangler(directory: string, found: Partial<StandInAccount> = {}) {
  let account: StandInAccount = { calls: [], queues: [], hyperdrives: [], secrets: null, ...found };
  let failsAt = "";
  const file = path.join(directory, "account.json");
  return {
    account: () => account,
    /** The commands that it was given, without those that only read. */
    changes: () => account.calls.map(({ args }) => args.join(" ")).filter((line) => !/^\w+ (?:list|get)\b/.test(line)),
    failAt: (command: string) => {
      failsAt = command;
    },
    run: async (args: readonly string[], { input = "" }: WranglerOptions = {}) =>
      answerAsWrangler(account, [...args], input, failsAt),
    /** As a program of its own named `wrangler`, first on the PATH. */
    onPath: async (args: readonly string[], options: WranglerOptions = {}) => {
      writeProgram(directory);
      writeFileSync(file, JSON.stringify({ account, failsAt }));
      const PATH = `${directory}${path.delimiter}${process.env["PATH"] ?? ""}`;
      const run = await runWrangler(args, { ...options, env: { ...options.env, PATH } });
      ({ account } = JSON.parse(readFileSync(file, "utf8")) as { account: StandInAccount });
      return run;
    },
  };
}

function writeProgram(directory: string): void {
  const program = path.join(directory, "wrangler");
  const source = fileURLToPath(import.meta.url);
  writeFileSync(
    program,
    `#!${process.execPath}
const { readFileSync, writeFileSync } = require("node:fs");
const file = ${JSON.stringify(path.join(directory, "account.json"))};
const { account, failsAt } = JSON.parse(readFileSync(file, "utf8"));
import(${JSON.stringify(source)}).then(({ answerAsWrangler }) => {
  const { code, output } = answerAsWrangler(account, process.argv.slice(2), readFileSync(0, "utf8"), failsAt);
  writeFileSync(file, JSON.stringify({ account, failsAt }));
  console.log(output);
  process.exitCode = code;
});
`,
  );
  chmodSync(program, 0o755);
}
