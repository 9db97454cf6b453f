import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { provision, type ProvisionOptions } from "../../scripts/deploy/provision.ts";
import { withHyperdriveId } from "../../scripts/deploy/resources.ts";
import { workerAddress } from "../../scripts/deploy/worker-address.ts";
import { AUTHORITY, NO_AUTHORITY } from "../support/sample-certificates.ts";
import { standInOnPath, standInWrangler, type StandInAccount } from "../support/stand-in-wrangler.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

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
    expect(config()).toContain('id = "22222222222222222222222222222222"');
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

  test.each(["queues create threadkeep-audit-staging", "cert upload", "hyperdrive create", "secret bulk"])(
    "continues after %s failed, and creates nothing twice",
    async (step) => {
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
      expect(account().secrets).toEqual(keys ?? keptKeys());
    },
  );

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
    writeFileSync(file, withHyperdriveId(config(), "staging", "e".repeat(31) + "1"));
    await expect(start(run)).rejects.toThrow(/right account/);
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
