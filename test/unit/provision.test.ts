import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { provision, type ProvisionOptions } from "../../scripts/deploy/provision.ts";
import { withId } from "../../scripts/deploy/resources.ts";
import { runWrangler, type WranglerOptions, type WranglerRun } from "../../scripts/deploy/run-wrangler.ts";
import { workerAddress } from "../../scripts/deploy/worker-address.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

/** What the stand-in for wrangler knows of an account, and its calls. */
interface StandInAccount {
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
  namespaces: { id: string; title: string }[];
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
  const named = account.hyperdrives.find(({ id }) => id === name);
  switch (`${noun} ${verb}`) {
    case "queues list":
      return succeeded(table(args[3] === "1" ? account.queues.map((queue, index) => [idOf(index), queue]) : []));
    case "queues create":
      account.queues.push(name);
      return succeeded();
    case "hyperdrive list":
      return succeeded(table(account.hyperdrives.map((each) => [each.id, each.name])));
    case "hyperdrive get":
      return succeeded(JSON.stringify(named, null, 2));
    case "hyperdrive create": {
      const { username } = new URL(args[args.indexOf("--connection-string") + 1] ?? "");
      const caching = { disabled: args.includes("--caching-disabled") };
      account.hyperdrives.push({ id: idOf(100), name, origin: { user: username }, caching, mtls: mtlsOf(args) });
      return succeeded();
    }
    case "hyperdrive update":
      if (named !== undefined && args.includes("--caching-disabled")) named.caching = { disabled: true };
      if (named !== undefined && args.includes("--sslmode")) named.mtls = mtlsOf(args);
      return succeeded();
    case "kv namespace":
      if (name === "create")
        account.namespaces.push({ id: idOf(200 + account.namespaces.length), title: args[3] ?? "" });
      return succeeded(name === "list" ? JSON.stringify(account.namespaces, null, 2) : "");
    case "cert list":
      return succeeded(
        account.certificates.map(({ id, name: of }) => `ID: ${id}\nName: ${of}\nCA: true\n\n`).join("\n"),
      );
    case "cert upload":
      account.certificates.push({ id: crypto.randomUUID(), name: valueOf(args, "--name") });
      return succeeded();
    case "secret list":
      if (account.secrets === null) return { code: 1, output: NO_WORKER };
      return succeeded(JSON.stringify(Object.keys(account.secrets).map((key) => ({ name: key, type: "secret_text" }))));
    case "secret bulk":
      account.secrets = { ...account.secrets, ...(JSON.parse(input) as Record<string, string>) };
      return succeeded();
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

function succeeded(output = ""): WranglerRun {
  return { code: 0, output };
}

function idOf(number: number): string {
  return String(number).padStart(32, "abc");
}

function table(rows: string[][]): string {
  return ["┌────┬──────┐", "│ id │ name │", ...rows.map((row) => `│ ${row.join(" │ ")} │`), "└────┴──────┘"].join("\n");
}

/** The account of a test, in this process. */
function standInWrangler(found: Partial<StandInAccount> = {}) {
  const account: StandInAccount = {
    calls: [],
    queues: [],
    hyperdrives: [],
    certificates: [],
    namespaces: [],
    secrets: null,
    ...found,
  };
  let failsAt = "";
  return {
    account: () => account,
    /** The commands so far, without those that only read. */
    changes: () =>
      account.calls
        .map(({ args }) => args.join(" "))
        .filter((line) => !/^\w+(?: namespace)? (?:list|get)\b/.test(line)),
    failAt: (command: string) => {
      failsAt = command;
    },
    run: async (args: readonly string[], { input = "" }: WranglerOptions = {}) =>
      answerAsWrangler(account, [...args], input, failsAt),
  };
}

/** The same as a small shell script, because it is started some twenty times. */
const WRANGLER_PROGRAM = `#!/bin/sh
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
  "kv namespace") if [ "$3" = create ]; then echo "$4" > namespace; elif [ -f namespace ]; then echo "[{ \\"id\\": \\"${"b".repeat(32)}\\", \\"title\\": \\"$(cat namespace)\\" }]"; else echo '[]'; fi ;;
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
function standInOnPath(directory: string) {
  writeFileSync(path.join(directory, "wrangler"), WRANGLER_PROGRAM);
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

/** Made for tests; nobody has their private keys any more. */

/** Of an authority. */
const AUTHORITY = `-----BEGIN CERTIFICATE-----
MIIBozCCAUmgAwIBAgIUe2aXr2l3vb23TRQv9Z7u/wMI3VAwCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTQXV0aG9yaXR5IG9mIGEgdGVzdDAgFw0yNjExMjkwNDMwNDBa
GA8yMTI2MTEwNTA0MzA0MFowHjEcMBoGA1UEAwwTQXV0aG9yaXR5IG9mIGEgdGVz
dDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABE9xwxdgmf1tbr52U80WXCJ6teX/
BH6XQ5hXJZb7TOcQWHwgoDedAFq8jBa8XuENE5E0AhxHiTMaNvfdQ0TfP4qjYzBh
MB0GA1UdDgQWBBQl3H+iTg4nRmHr+biWpudbSWZj4zAfBgNVHSMEGDAWgBQl3H+i
Tg4nRmHr+biWpudbSWZj4zAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIC
BDAKBggqhkjOPQQDAgNIADBFAiEA9CxNIhENaZj0LcpfhJQn6N64vE1aA0Zf1y/s
rhWJcroCIBWzZpnl7FURAaoiXD5/OU6RM3ak55KEIcA/MepQppk5
-----END CERTIFICATE-----
`;

/** Of a server: it signs nothing. */
const NO_AUTHORITY = `-----BEGIN CERTIFICATE-----
MIIBfzCCASSgAwIBAgIUVAu/Cl4Hgqrhigefw56fBe5DrC4wCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKZGIuZXhhbXBsZTAgFw0yNjExMjkwNDMwNDFaGA8yMTI2MTEw
NTA0MzA0MVowFTETMBEGA1UEAwwKZGIuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABE99V0dY4PPSMTqDQizrb8Eab7TgnFxEorp5fPCBdZrKpwCK5VNM
0p2usVMpbI1gNizFS2NplW1mIvwl6g8zioCjUDBOMB0GA1UdDgQWBBStkdohwhKk
MbPjF0cii21oBNrSOjAfBgNVHSMEGDAWgBStkdohwhKkMbPjF0cii21oBNrSOjAM
BgNVHRMBAf8EAjAAMAoGCCqGSM49BAMCA0kAMEYCIQCcjygXDVYzaQm/Z+uIEVgc
5M0wj519sAaHM3L8mJdyRwIhAJfYvWZmqMmazcgNjHj5ahL2fEYTtz5dtokHJjlx
u06/
-----END CERTIFICATE-----
`;

const PASSWORD = "a-password-of-24-letters";
const PLAIN_URL = "postgres://postgres:owner-password@db.abc.supabase.co:5432/postgres";
/** The directory of the authority's certificate, which no test changes. */
const CERTIFICATES = makeTemporaryDirectory();
const DATABASE = { DATABASE_URL: urlWith(writeCertificate("ca.crt", AUTHORITY)), WORKER_PASSWORD: PASSWORD };
const QUEUES = ["summarize", "archive", "audit", "summarize-failed", "archive-failed", "audit-failed"].map(
  (name) => `threadkeep-${name}-staging`,
);
const made: string[] = [CERTIFICATES];
let directory = "";
let lines: string[] = [];

function writeCertificate(name: string, text: string): string {
  const file = path.join(CERTIFICATES, name);
  writeFileSync(file, text);
  return file;
}

function urlWith(certificate: string): string {
  return `${PLAIN_URL}?sslmode=verify-full&sslrootcert=${encodeURIComponent(certificate)}`;
}

beforeEach(() => {
  directory = makeTemporaryDirectory();
  made.push(directory);
  lines = [];
  writeFileSync(path.join(directory, "wrangler.toml"), readFileSync("wrangler.toml"));
});

afterAll(() => {
  for (const each of made) removeDirectory(each);
});

function start(run: ProvisionOptions["run"], options: Partial<ProvisionOptions> = {}): Promise<void> {
  return provision({
    environment: "staging",
    configFile: path.join(directory, "wrangler.toml"),
    secretsFile: path.join(directory, "secrets.json"),
    isDryRun: false,
    run,
    env: DATABASE,
    print: (line) => lines.push(line),
    confirm: async () => true,
    ...options,
  });
}

const config = (): string => readFileSync(path.join(directory, "wrangler.toml"), "utf8");
const keptKeys = (): Record<string, string> => JSON.parse(readFileSync(path.join(directory, "secrets.json"), "utf8"));

function hyperdrive(changes: Partial<StandInAccount["hyperdrives"][number]> = {}) {
  const plain = { id: "f".repeat(32), name: "threadkeep-staging", caching: { disabled: true } };
  return { ...plain, origin: { user: "threadkeep_worker" }, mtls: { sslmode: "verify-full" }, ...changes };
}

test("a dry run shows every command without calling wrangler, and changes nothing", async () => {
  const { account, run } = standInWrangler();
  const before = config();
  await start(run, { isDryRun: true, env: {} });
  for (const queue of QUEUES) expect(lines).toContain(`  wrangler queues create ${queue}`);
  expect(lines.join("\n")).toMatch(
    /cert upload certificate-authority --ca-cert \S+[\s\S]*hyperdrive create threadkeep-staging --caching-disabled --ca-certificate-id \S+ --sslmode verify-full .*threadkeep_worker:…@HOST/,
  );
  expect(lines.join("\n")).toContain("secret bulk --env staging");
  expect(lines.join("\n")).toContain("wrangler kv namespace create threadkeep-staging-tenants --no-update-config");
  expect(account().calls).toEqual([]);
  expect(config()).toBe(before);
});

describe("an empty account", () => {
  test("gets queues, a Hyperdrive without caching for the role with the fewest rights, its id, and keys that are not shown", async () => {
    const { account, run } = standInWrangler();
    await start(run);
    const { queues, hyperdrives, secrets, calls } = account();
    expect(queues.toSorted()).toEqual(QUEUES.toSorted());
    expect(hyperdrives).toEqual([
      expect.objectContaining({ origin: { user: "threadkeep_worker" }, caching: { disabled: true } }),
    ]);
    expect(config()).toContain(`[[env.staging.hyperdrive]]\nbinding = "HYPERDRIVE"\nid = "${hyperdrives[0]?.id}"`);
    const [copies] = account().namespaces;
    expect(copies?.title).toBe("threadkeep-staging-tenants");
    expect(config()).toContain(`[[env.staging.kv_namespaces]]\nbinding = "TENANT_COPIES"\nid = "${copies?.id}"`);
    expect(config().match(/"2{32}"/g)).toHaveLength(2);
    expect(secrets).toEqual(keptKeys());
    expect(Object.keys(keptKeys())).toEqual(["THREADKEEP_API_KEY", "THREADKEEP_ADMIN_KEY"]);
    for (const key of Object.values(keptKeys())) {
      expect(key).toMatch(/^tk_(?:admin_)?[\w-]{32}$/);
      expect(calls.flatMap(({ args }) => args).join(" ")).not.toContain(key);
      expect(lines.join("\n")).not.toContain(key);
    }
    expect(lines.join("\n")).not.toContain(PASSWORD);
    expect(statSync(path.join(directory, "secrets.json")).mode & 0o077).toBe(0);
  });

  test("gets a Hyperdrive that verifies the database's certificate, with the authority that the migrations used", async () => {
    const { account, run } = standInWrangler();
    await start(run);
    const { certificates, hyperdrives, calls } = account();
    expect(certificates).toEqual([
      { id: expect.any(String), name: expect.stringMatching(/^threadkeep-staging-ca-[0-9a-f]{12}$/) },
    ]);
    expect(hyperdrives[0]?.mtls).toEqual({ ca_certificate_id: certificates[0]?.id, sslmode: "verify-full" });
    const upload = calls.find(({ args }) => args[0] === "cert" && args[1] === "upload");
    expect(upload?.args.slice(2)).toEqual([
      "certificate-authority",
      "--ca-cert",
      path.join(CERTIFICATES, "ca.crt"),
      "--name",
      certificates[0]?.name,
    ]);
  });

  test.each([
    ["names no authority", PLAIN_URL, /sslrootcert=FILE/],
    ["asks for encryption alone", `${PLAIN_URL}?sslmode=require`, /sslrootcert=FILE/],
    ["names a file that is not there", urlWith("/nowhere/ca.crt"), /cannot be read/],
    ["names something else", urlWith(writeCertificate("note.txt", "to whom it may concern")), /no certificate/],
    [
      "names the certificate of a server",
      urlWith(writeCertificate("leaf.crt", NO_AUTHORITY)),
      /no certificate of an authority/,
    ],
  ])("is not touched where DATABASE_URL %s", async (_, url, fault) => {
    const { changes, run } = standInWrangler();
    await expect(start(run, { env: { ...DATABASE, DATABASE_URL: url } })).rejects.toThrow(fault);
    expect(changes()).toEqual([]);
  });

  test("is not changed if the person says no, and the command says that nothing was done", async () => {
    const { changes, run } = standInWrangler();
    await expect(start(run, { confirm: async () => false })).rejects.toThrow("Nothing was done");
    expect(changes()).toEqual([]);
    expect(lines.join("\n")).toContain("queues create");
  });

  test("is not changed before the address of the database is known", async () => {
    const { changes, run } = standInWrangler();
    await expect(start(run, { env: {} })).rejects.toThrow(/set DATABASE_URL and WORKER_PASSWORD/);
    expect(changes()).toEqual([]);
  });

  test("does not get the keys of another deployment from the environment", async () => {
    const { run } = standInWrangler();
    const key = "tk_of_a_laptop_0123456789";
    await start(run, { env: { ...DATABASE, THREADKEEP_API_KEY: key } });
    expect(keptKeys()["THREADKEEP_API_KEY"]).not.toBe(key);
  });
});

describe("a second run", () => {
  test("changes nothing if everything went well", async () => {
    const { changes, run } = standInWrangler();
    await start(run);
    const before = { changes: changes(), config: config(), keys: keptKeys() };
    await start(run, { env: {} });
    expect({ changes: changes(), config: config(), keys: keptKeys() }).toEqual(before);
    expect(lines.at(-1)).toBe("staging has all that it needs.");
  });

  test.each([
    "queues create threadkeep-audit-staging",
    "cert upload",
    "hyperdrive create",
    "kv namespace create",
    "secret bulk",
  ])("continues after %s failed, and creates nothing twice", async (step) => {
    const { account, changes, failAt, run } = standInWrangler();
    failAt(step);
    await expect(start(run)).rejects.toThrow(/Cloudflare API failed[\s\S]*What was made stays/);
    const keys = existsSync(path.join(directory, "secrets.json")) ? keptKeys() : null;
    failAt("");
    const failed = changes().findIndex((line) => line.startsWith(step));
    await start(run);
    const done = changes().filter((_line, index) => index !== failed);
    expect(new Set(done).size).toBe(done.length);
    expect(account().queues.toSorted()).toEqual(QUEUES.toSorted());
    expect(account().hyperdrives).toHaveLength(1);
    expect(account().certificates).toHaveLength(1);
    expect(account().namespaces).toHaveLength(1);
    expect(account().secrets).toEqual(keys ?? keptKeys());
  });

  test("turns caching off if somebody turned it on", async () => {
    const found = hyperdrive({ caching: { disabled: false } });
    const { account, changes, run } = standInWrangler({ hyperdrives: [found], queues: QUEUES });
    await start(run, { env: {} });
    expect(changes()[0]).toBe(`hyperdrive update ${found.id} --caching-disabled`);
    expect(account().hyperdrives[0]?.caching).toEqual({ disabled: true });
  });
});

describe("a Hyperdrive that does not verify the database's certificate", () => {
  test("verifies it from then on, with an authority that is uploaded once", async () => {
    const found = hyperdrive({ mtls: { sslmode: "require" } });
    const { account, changes, run } = standInWrangler({ hyperdrives: [found], queues: QUEUES });
    await start(run);
    const [certificate] = account().certificates;
    expect(changes().slice(0, 2)).toEqual([
      expect.stringMatching(/^cert upload certificate-authority /),
      `hyperdrive update ${found.id} --ca-certificate-id ${certificate?.id} --sslmode verify-full`,
    ]);
    expect(account().hyperdrives[0]).toMatchObject({ caching: { disabled: true }, origin: found.origin });
    const before = changes();
    await start(run, { env: {} });
    expect(changes()).toEqual(before);
  });

  test("gets an authority that the account has already", async () => {
    const found = hyperdrive({ mtls: { sslmode: "require" } });
    const { account, run } = standInWrangler({ hyperdrives: [found] });
    await start(run);
    const kept = account().certificates;
    const again = standInWrangler({
      hyperdrives: [hyperdrive({ mtls: { sslmode: "verify-ca" } })],
      certificates: kept,
      namespaces: account().namespaces,
    });
    await start(again.run);
    expect(again.account().certificates).toEqual(kept);
    expect(again.account().hyperdrives[0]?.mtls).toEqual({ ca_certificate_id: kept[0]?.id, sslmode: "verify-full" });
  });

  test("stops a run without an authority, before anything is changed", async () => {
    const found = hyperdrive({ mtls: { sslmode: "require" } });
    const { changes, run } = standInWrangler({ hyperdrives: [found] });
    await expect(start(run, { env: {} })).rejects.toThrow(/does not check whether the database is the right one/);
    expect(changes()).toEqual([]);
  });
});

test("with an executable on the PATH: it stops in the middle, and a second run continues", async () => {
  const { failAt, lines: kept, run } = standInOnPath(directory);
  failAt("queues create threadkeep-audit-staging");
  await expect(start(run)).rejects.toThrow(/Cloudflare API failed/);
  expect(kept("queues")).toEqual(["threadkeep-summarize-staging", "threadkeep-archive-staging"]);
  failAt("");
  await start(run);
  expect(kept("queues").toSorted()).toEqual(QUEUES.toSorted());
  expect(JSON.parse(kept("secrets").join(""))).toEqual(keptKeys());
  expect(kept("calls").filter((line) => line.startsWith("hyperdrive create"))).toHaveLength(1);
}, 90_000);

describe("nothing is started", () => {
  test("if the Hyperdrive connects as a role that bypasses row-level security", async () => {
    const found = hyperdrive({ origin: { user: "postgres" } });
    const { changes, run } = standInWrangler({ hyperdrives: [found] });
    await expect(start(run)).rejects.toThrow(/connects as "postgres".*hyperdrive delete/);
    expect(changes()).toEqual([]);
  });

  test("if the account lacks the Hyperdrive of wrangler.toml, because it is probably another account", async () => {
    const { changes, run } = standInWrangler();
    const file = path.join(directory, "wrangler.toml");
    writeFileSync(file, withId(config(), "staging", { table: "hyperdrive", id: "e".repeat(31) + "1" }));
    await expect(start(run)).rejects.toThrow(/right account/);
    expect(changes()).toEqual([]);
  });

  test("if the account lacks the KV namespace of wrangler.toml, for the same reason", async () => {
    const { changes, run } = standInWrangler();
    const file = path.join(directory, "wrangler.toml");
    writeFileSync(file, withId(config(), "staging", { table: "kv_namespaces", id: "e".repeat(31) + "1" }));
    await expect(start(run)).rejects.toThrow(/KV namespace e+1, but threadkeep-staging-tenants.*right account/);
    expect(changes()).toEqual([]);
  });

  test("without a login: wrangler's own message is shown, and how to log in", async () => {
    const { changes, failAt, run } = standInWrangler();
    failAt("queues list");
    await expect(start(run)).rejects.toThrow(/queues list --page 1 failed[\s\S]*npx wrangler login/);
    expect(changes()).toEqual([]);
  });

  test("with a model without its key", async () => {
    const { account, run } = standInWrangler();
    const file = path.join(directory, "wrangler.toml");
    writeFileSync(file, config().replaceAll('THREADKEEP_MODEL = "extractive"', 'THREADKEEP_MODEL = "anthropic/m"'));
    await expect(start(run)).rejects.toThrow(/THREADKEEP_MODEL_API_KEY: give it in the environment/);
    await start(run, { env: { ...DATABASE, THREADKEEP_MODEL_API_KEY: "sk-0123456789" } });
    expect(account().secrets).toMatchObject({ THREADKEEP_MODEL_API_KEY: "sk-0123456789" });
    expect(keptKeys()).not.toHaveProperty("THREADKEEP_MODEL_API_KEY");
  });

  test.each(["prod", "", "__proto__"])(
    "for an environment %j that wrangler.toml does not have",
    async (environment) => {
      const { run } = standInWrangler();
      await expect(start(run, { environment })).rejects.toThrow("--env staging or --env production");
    },
  );
});

describe("the address that Hyperdrive connects to", () => {
  test("is the database of the migrations for the Worker's role, also through a pooler, without options of this machine", () => {
    expect(workerAddress(DATABASE.DATABASE_URL, PASSWORD)).toBe(
      `postgres://threadkeep_worker:${PASSWORD}@db.abc.supabase.co:5432/postgres`,
    );
    expect(workerAddress("postgres://postgres.abc:x@pooler.example:5432/postgres", PASSWORD)).toBe(
      `postgres://threadkeep_worker.abc:${PASSWORD}@pooler.example:5432/postgres`,
    );
  });

  test.each(["https://db.example", "postgres://", "db.example"])("is refused if DATABASE_URL is %s", (text) => {
    expect(() => workerAddress(text, PASSWORD)).toThrow(/^DATABASE_URL .*postgres:\/\/USER:PASSWORD@HOST/);
  });
});
