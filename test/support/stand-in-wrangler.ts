import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { runWrangler, type WranglerOptions, type WranglerRun } from "../../scripts/deploy/run-wrangler.ts";

/** What the stand-in for wrangler knows of an account, and its calls. */
export interface StandInAccount {
  calls: { args: string[]; input: string }[];
  queues: string[];
  hyperdrives: {
    id: string;
    name: string;
    origin: { user: string };
    caching: { disabled: boolean };
    mtls: { ca_certificate_id?: string; sslmode: string };
  }[];
  certificates: { id: string; name: string }[];
  /** Null: the Worker was never deployed, and has no secrets. */
  secrets: Record<string, string> | null;
}

const FAILURE = { code: 1, output: "✘ [ERROR] A request to the Cloudflare API failed." };

const NO_WORKER = '✘ [ERROR] Worker "threadkeep-staging" (env: staging) not found.';

/** Answers like wrangler 4, and records its calls in `account`. Commands that begin with `failsAt` fail. */
function answerAsWrangler(account: StandInAccount, args: string[], input: string, failsAt = ""): WranglerRun {
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
      account.hyperdrives.push({ id: idOf(100), name, origin: { user: username }, caching, mtls: mtlsOf(args) });
      return done();
    }
    case "hyperdrive update":
      if (hyperdrive !== undefined && args.includes("--caching-disabled")) hyperdrive.caching = { disabled: true };
      if (hyperdrive !== undefined && args.includes("--sslmode")) hyperdrive.mtls = mtlsOf(args);
      return done();
    case "cert list":
      return done(account.certificates.map(({ id, name: of }) => `ID: ${id}\nName: ${of}\nCA: true\n\n`).join("\n"));
    case "cert upload":
      account.certificates.push({ id: crypto.randomUUID(), name: valueOf(args, "--name") });
      return done();
    case "secret list":
      if (account.secrets === null) return { code: 1, output: NO_WORKER };
      return done(JSON.stringify(Object.keys(account.secrets).map((key) => ({ name: key, type: "secret_text" }))));
    case "secret bulk":
      account.secrets = { ...account.secrets, ...(JSON.parse(input) as Record<string, string>) };
      return done();
    default:
      return { code: 1, output: `✘ [ERROR] Unknown arguments: ${args.join(", ")}` };
  }
}

function valueOf(args: readonly string[], flag: string): string {
  return args[args.indexOf(flag) + 1] ?? "";
}

function mtlsOf(args: readonly string[]): { ca_certificate_id?: string; sslmode: string } {
  const sslmode = args.includes("--sslmode") ? valueOf(args, "--sslmode") : "require";
  return args.includes("--ca-certificate-id")
    ? { ca_certificate_id: valueOf(args, "--ca-certificate-id"), sslmode }
    : { sslmode };
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

/** The account of a test, in this process. */
export function standInWrangler(found: Partial<StandInAccount> = {}) {
  const account: StandInAccount = { calls: [], queues: [], hyperdrives: [], certificates: [], secrets: null, ...found };
  let failsAt = "";
  return {
    account: () => account,
    /** The commands so far, without those that only read. */
    changes: () => account.calls.map(({ args }) => args.join(" ")).filter((line) => !/^\w+ (?:list|get)\b/.test(line)),
    failAt: (command: string) => {
      failsAt = command;
    },
    run: async (args: readonly string[], { input = "" }: WranglerOptions = {}) =>
      answerAsWrangler(account, [...args], input, failsAt),
  };
}

/** The same as a small shell script, because it is started some twenty times. */
const PROGRAM = `#!/bin/sh
cd "$(dirname "$0")" || exit 1
echo "$*" >> calls
if [ -s fails-at ]; then
  case "$*" in "$(cat fails-at)"*) echo "A request to the Cloudflare API failed." >&2; exit 1 ;; esac
fi
case "$1 $2" in
  "queues list") if [ "$4" = 1 ] && [ -f queues ]; then while read -r name; do echo "│ ${"0".repeat(32)} │ $name │"; done < queues; fi ;;
  "queues create") echo "$3" >> queues ;;
  "hyperdrive list") if [ -f hyperdrive ]; then echo "│ ${"a".repeat(32)} │ $(cat hyperdrive) │"; fi ;;
  "hyperdrive get") echo '{ "origin": { "user": "threadkeep_worker" }, "caching": { "disabled": true }, "mtls": { "sslmode": "verify-full" } }' ;;
  "hyperdrive create") echo "$3" > hyperdrive ;;
  "cert list") if [ -f certificates ]; then while read -r name; do printf 'ID: %s\nName: %s\n\n' some-id "$name"; done < certificates; fi ;;
  "cert upload") echo "$7" >> certificates ;;
  "secret list") if [ ! -f secrets ]; then echo 'Worker "threadkeep-staging" not found' >&2; exit 1; fi; echo '[]' ;;
  "secret bulk") cat > secrets ;;
  *) exit 1 ;;
esac
`;

/**
 * An executable named `wrangler`, which is first on the PATH of what `run` starts.
 *
 * @param directory temporary; it stores the account there
 */
export function standInOnPath(directory: string) {
  writeFileSync(path.join(directory, "wrangler"), PROGRAM);
  chmodSync(path.join(directory, "wrangler"), 0o755);
  const PATH = `${directory}${path.delimiter}${process.env["PATH"] ?? ""}`;
  return {
    failAt: (command: string) => writeFileSync(path.join(directory, "fails-at"), command),
    /** Lines of a file in that directory: `calls`, `queues`, `secrets`. */
    lines: (file: string) => readFileSync(path.join(directory, file), "utf8").trim().split("\n"),
    run: (args: readonly string[], options: WranglerOptions = {}) =>
      runWrangler(args, { ...options, env: { ...options.env, PATH } }),
  };
}
