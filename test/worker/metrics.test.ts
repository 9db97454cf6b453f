import { env, exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { Principal } from "../../src/api/principal.ts";
import { createOperationsClient } from "../../src/control/client.ts";
import { OPEN_METRICS_TYPE, writeOpenMetrics } from "../../src/http/open-metrics.ts";
import { gaugesOf } from "../../src/http/routes/metrics.ts";
import { readBacklogs } from "../../src/telemetry/backlog.ts";
import { appWith } from "../support/worker-app.ts";
import { TEST_WORKER_BINDINGS } from "../support/worker-bindings.ts";

const operations = createOperationsClient(env.OPERATIONS);

interface Family {
  type: string;
  unit?: string;
  help?: string;
  samples: { labels: Record<string, string>; value: number }[];
}

/** Parses an exposition strictly by the grammar of the specification, as far as gauges need it. */
function parse(text: string): Map<string, Family> {
  expect(text.endsWith("\n# EOF\n")).toBe(true);
  const families = new Map<string, Family>();
  let current = "";
  for (const line of text.slice(0, -"# EOF\n".length).split("\n").slice(0, -1)) {
    const described = /^# (TYPE|UNIT|HELP) ([a-z_]+) (.+)$/.exec(line);
    if (described !== null) {
      const [, what, name = "", value = ""] = described;
      if (what === "TYPE") {
        expect(families.has(name), `${name} comes twice`).toBe(false);
        families.set(name, { type: value, samples: [] });
        current = name;
      }
      expect(name, "what is said of a family stands together").toBe(current);
      const family = families.get(name);
      if (family !== undefined && what === "UNIT") family.unit = value;
      if (family !== undefined && what === "HELP") family.help = value;
      continue;
    }
    const sample = /^([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.exec(
      line,
    );
    expect(sample, `no sample: ${line}`).not.toBeNull();
    const [, name, labels = "", value] = sample ?? [];
    expect(name).toBe(current);
    const pairs = Array.from(labels.matchAll(/([a-z]+)="((?:[^"\\\n]|\\[\\"n])*)"/g), ([, key = "", label = ""]) => [
      key,
      label,
    ]);
    families.get(current)?.samples.push({ labels: Object.fromEntries(pairs), value: Number(value) });
  }
  for (const [name, { type, unit, samples }] of families) {
    expect(type).toBe("gauge");
    if (unit !== undefined) expect(name.endsWith(`_${unit}`)).toBe(true);
    const series = samples.map(({ labels }) => JSON.stringify(labels));
    expect(new Set(series).size).toBe(series.length);
  }
  return families;
}

/** The value for an operation; undefined if the family has no such sample. */
function valueOf(families: Map<string, Family>, name: string, op: string, status: string): number | undefined {
  const samples = families.get(name)?.samples ?? [];
  return samples.find(({ labels }) => labels["op"] === op && labels["status"] === status)?.value;
}

function scrape(key: string | null): Promise<Response> {
  const headers: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` };
  return exports.default.fetch(new Request("http://threadkeep.test/metrics", { headers }));
}

async function report(tenant: string, kind: string): Promise<string> {
  const jobId = crypto.randomUUID();
  await operations.report({
    jobId,
    kind,
    tenant,
    owner: "-",
    session: "chat",
    state: "retrying",
    reason: "away",
    attempts: 3,
    firstError: "away",
    firstFailedAt: "2001-01-01T00:00:00.000Z",
    lastError: "away",
    lastFailedAt: "2026-11-22T10:00:00.000Z",
  });
  return jobId;
}

describe("GET /metrics", () => {
  it("is OpenMetrics text with an end, and shows an operator failing and waiting work", async () => {
    const kind = `kind-${crypto.randomUUID()}`;
    const jobId = await report("acme", kind);
    const response = await scrape(TEST_WORKER_BINDINGS.THREADKEEP_ADMIN_KEY);
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Type")).toBe(OPEN_METRICS_TYPE);
    const families = parse(await response.text());
    expect(families.get("threadkeep_part_up")?.samples).toEqual([{ labels: { part: "operations" }, value: 1 }]);
    expect(families.get("threadkeep_failed_jobs")?.samples).toContainEqual({
      labels: { kind, state: "retrying" },
      value: 1,
    });
    expect(families.get("threadkeep_failed_jobs_oldest_seconds")?.samples[0]?.value).toBeGreaterThan(800_000_000);
    expect(families.get("threadkeep_tenants")?.samples).toHaveLength(1);
    const queues = families.get("threadkeep_queue_messages")?.samples.map(({ labels }) => labels["queue"]);
    expect(queues).toEqual(["summarize", "archive", "audit"]);
    await operations.clear(jobId);
  });

  it("shows runs of operations, when the last of each ended and how, and no dry runs", async () => {
    const begin = async (op: "verify" | "reindex", dryRun = false): Promise<string> => {
      const id = crypto.randomUUID();
      await operations.runs.begin(id, { op, dryRun, sliceSize: 500 }, "running");
      return id;
    };
    const families = async () => parse(await (await scrape(TEST_WORKER_BINDINGS.THREADKEEP_ADMIN_KEY)).text());
    // Other tests have runs in the same object.
    const runsOf = (told: Map<string, Family>, op: string, status: string): number =>
      valueOf(told, "threadkeep_operation_runs", op, status) ?? 0;
    const before = await families();
    await operations.runs.finish(await begin("verify"), "complete", null);
    await operations.runs.finish(await begin("verify"), "failed", "It stopped.");
    await operations.runs.finish(await begin("reindex", true), "complete", null);
    const running = await begin("reindex");
    const told = await families();
    const more = (op: string, status: string): number => runsOf(told, op, status) - runsOf(before, op, status);
    expect([more("reindex", "running"), more("verify", "complete"), more("verify", "failed")]).toEqual([1, 1, 1]);
    expect(more("reindex", "complete")).toBe(0);
    for (const status of ["complete", "failed"]) {
      expect(valueOf(told, "threadkeep_operation_last_end_seconds", "verify", status)).toBeLessThan(60);
    }
    await operations.runs.finish(running, "cancelled", null);
    expect(runsOf(await families(), "reindex", "cancelled")).toBe(runsOf(before, "reindex", "cancelled") + 1);
  });

  it("requires a key with the scope, and shows a tenant only its own", async () => {
    expect((await scrape(null)).status).toBe(401);
    expect((await scrape(TEST_WORKER_BINDINGS.THREADKEEP_API_KEY)).status).toBe(403);
    const tenant = `t-${crypto.randomUUID()}`;
    const jobs = [await report(tenant, "archive"), await report("acme", `kind-${tenant}`)];
    const watcher: Principal = { kind: "tenant-key", id: "key:x", tenant, owner: "-", scopes: ["ops"] };
    const text = await (
      await appWith({ authenticate: async () => watcher }).request("http://threadkeep.test/metrics")
    ).text();
    const families = parse(text);
    expect(families.get("threadkeep_failed_jobs")?.samples).toEqual([
      { labels: { kind: "archive", state: "retrying" }, value: 1 },
    ]);
    expect([...families.keys()].filter((name) => /queue|tenants|operation/.test(name))).toEqual([]);
    for (const jobId of jobs) await operations.clear(jobId);
  });

  it("works while a part is unavailable, and says which", async () => {
    const away = async (): Promise<never> => {
      throw new Error("out of reach");
    };
    const admin: Principal = { kind: "admin", id: "admin", tenant: "test", owner: "-", scopes: ["ops", "admin"] };
    const parts = { operations: { ...operations, stats: away }, readBacklogs: away };
    const app = appWith({ authenticate: async () => admin }, parts);
    const families = parse(await (await app.request("http://threadkeep.test/metrics")).text());
    expect(families.get("threadkeep_part_up")?.samples).toEqual([{ labels: { part: "operations" }, value: 0 }]);
    expect([...families.keys()]).toEqual(["threadkeep_part_up"]);
  });
});

describe("the values", () => {
  it("are left out for a queue that does not answer, and so is an age if nothing waits", async () => {
    const metrics = async (): Promise<QueueMetrics> => ({
      backlogCount: 2,
      backlogBytes: 500,
      oldestMessageTimestamp: new Date(1_000),
    });
    const silent = async (): Promise<never> => {
      throw new Error("no answer");
    };
    const empty = async (): Promise<QueueMetrics> => ({ backlogCount: 0, backlogBytes: 0 });
    const backlogs = await readBacklogs({ a: { metrics }, b: { metrics: silent }, c: { metrics: empty } });
    const text = writeOpenMetrics(
      gaugesOf({ failed: { counts: [], oldestAt: null }, tenants: 0, backlogs, runs: [] }, 3_500),
    );
    const families = parse(text);
    expect(families.get("threadkeep_queue_messages")?.samples).toEqual([
      { labels: { queue: "a" }, value: 2 },
      { labels: { queue: "c" }, value: 0 },
    ]);
    expect(families.get("threadkeep_queue_oldest_seconds")?.samples).toEqual([{ labels: { queue: "a" }, value: 2.5 }]);
    expect(families.has("threadkeep_failed_jobs")).toBe(false);
  });

  it("are under labels with quotation marks, backslashes and line breaks", () => {
    const kind = 'a"b\\c\nd';
    const text = writeOpenMetrics([{ name: "one", help: "of\ntwo", samples: [{ labels: { kind }, value: 1 }] }]);
    expect(text).toBe('# TYPE one gauge\n# HELP one of\\ntwo\none{kind="a\\"b\\\\c\\nd"} 1\n# EOF\n');
    parse(text);
  });
});
