import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { AUDIT_ACTIONS } from "../../src/api/audit.ts";
import { PROBLEMS } from "../../src/api/errors.ts";
import { jobKindSchema } from "../../src/api/job.ts";
import { BLOBS, createMetrics, DOUBLES, type MetricsDataset, NOTHING_MEASURED } from "../../src/telemetry/metrics.ts";

type Point = Parameters<MetricsDataset["writeDataPoint"]>[0];

function listening(): { points: Point[]; dataset: MetricsDataset } {
  const points: Point[] = [];
  return { points, dataset: { writeDataPoint: (point) => void points.push(point) } };
}

const OPERATION = { action: "appendMessages", result: "ok", tenant: "acme", actor: "tenant-key", durationMs: 7 };
const JOB = {
  kind: "summarize",
  result: "ok" as const,
  tenant: "acme",
  durationMs: 900,
  attempts: 2,
  waitedMs: 30,
  spent: { model: "extractive", inputTokens: 100, outputTokens: 20, costMicroDollars: 450, fallbacks: 1 },
};

const EMBEDDING = {
  of: "query" as const,
  result: "late",
  tenant: "acme",
  model: "workers-ai/@cf/baai/bge-m3",
  durationMs: 180,
  usage: { inputTokens: 12, costMicroDollars: 3 },
};

describe("a data point", () => {
  it("keeps its layout: a moved column would change the meaning of past data", () => {
    const { points, dataset } = listening();
    const metrics = createMetrics(dataset);
    metrics.operation(OPERATION);
    metrics.job(JOB);
    metrics.embedding(EMBEDDING);
    metrics.tenantCopy({ result: "none", tenant: "acme", durationMs: 12 });
    expect(points).toEqual([
      {
        indexes: ["acme"],
        blobs: ["operation", "appendMessages", "ok", "tenant-key", ""],
        doubles: [7, 0, 0, 0, 0, 0, 0, 1],
      },
      {
        indexes: ["acme"],
        blobs: ["job", "summarize", "ok", "", "extractive"],
        doubles: [900, 2, 100, 20, 450, 1, 30, 1],
      },
      {
        indexes: ["acme"],
        blobs: ["embedding", "query", "late", "", "workers-ai/@cf/baai/bge-m3"],
        doubles: [180, 0, 12, 0, 3, 0, 0, 1],
      },
      {
        indexes: ["acme"],
        blobs: ["tenant-copy", "read", "none", "", ""],
        doubles: [12, 0, 0, 0, 0, 0, 0, 1],
      },
    ]);
  });

  it("stands for several operations if only a share has one; failed and slow operations always have theirs", () => {
    const { points, dataset } = listening();
    const rolls = [0.24, 0.25, 0.9];
    const metrics = createMetrics(dataset, 0.25, () => rolls.shift() ?? 1);
    for (let count = 0; count < 3; count += 1) metrics.operation(OPERATION);
    metrics.operation({ ...OPERATION, result: "unavailable" });
    metrics.operation({ ...OPERATION, durationMs: 1_001 });
    metrics.job(JOB);
    const weights = points.map(({ blobs, doubles }) => [blobs[0], blobs[2], doubles[DOUBLES.indexOf("weight")]]);
    expect(weights).toEqual([
      ["operation", "ok", 4],
      ["operation", "unavailable", 1],
      ["operation", "ok", 1],
      ["job", "ok", 1],
    ]);
  });

  it("may be left out for all operations that are well", () => {
    const { points, dataset } = listening();
    const metrics = createMetrics(dataset, 0);
    metrics.operation(OPERATION);
    metrics.operation({ ...OPERATION, result: "unavailable" });
    expect(points).toHaveLength(1);
  });

  it("fits Analytics Engine: one index of 96 bytes, twenty columns of each kind", () => {
    const { points, dataset } = listening();
    const metrics = createMetrics(dataset);
    metrics.operation({ ...OPERATION, tenant: "" });
    metrics.job({ ...JOB, tenant: "é".repeat(80), spent: NOTHING_MEASURED });
    for (const { indexes, blobs, doubles } of points) {
      expect(indexes).toHaveLength(1);
      expect(Buffer.byteLength(indexes[0] ?? "")).toBeGreaterThan(0);
      expect(Buffer.byteLength(indexes[0] ?? "")).toBeLessThanOrEqual(96);
      expect([blobs.length, doubles.length]).toEqual([BLOBS.length, DOUBLES.length]);
    }
    expect(Math.max(BLOBS.length, DOUBLES.length)).toBeLessThanOrEqual(20);
  });

  it("that cannot be written, or has no dataset, does not affect a request", () => {
    const full: MetricsDataset = {
      writeDataPoint: () => {
        throw new Error("too many data points");
      },
    };
    for (const dataset of [full, undefined]) {
      const metrics = createMetrics(dataset);
      expect(() => metrics.operation(OPERATION)).not.toThrow();
      expect(() => metrics.job(JOB)).not.toThrow();
    }
  });
});

const page = readFileSync("docs/metrics.md", "utf8");
const queries = Array.from(page.matchAll(/```sql\n([^`]+)```/g), ([, query = ""]) => query);

function nameOf(column: string): string | undefined {
  const place = Number(column.replace(/\D+/, "")) - 1;
  return column.startsWith("blob") ? BLOBS[place] : DOUBLES[place];
}

/** What a query selects: each expression with its alias. */
function selected(query: string): { expression: string; alias: string }[] {
  const list = query.slice("SELECT ".length, query.indexOf("\nFROM "));
  // A comma inside parentheses separates a function's arguments.
  return list.split(/,\s*(?![^()]*\))/).map((entry) => {
    const [expression = "", alias = ""] = entry.split(" AS ");
    return { expression: expression.trim(), alias };
  });
}

describe("docs/metrics.md", () => {
  it("has the layout of the code, and nothing else", () => {
    const rows = Array.from(page.matchAll(/^\| `((?:blob|double)\d+)` \| (\w+) \|/gm), ([, column, name]) => [
      column,
      name,
    ]);
    expect(rows).toEqual([
      ...BLOBS.map((name, at) => [`blob${at + 1}`, name]),
      ...DOUBLES.map((name, at) => [`double${at + 1}`, name]),
    ]);
  });

  it("has twelve queries", () => {
    expect(queries).toHaveLength(12);
    expect(page.match(/^\*\*\d+\. /gm)).toHaveLength(12);
  });

  it.each(queries.map((query, at) => [at + 1, query] as const))(
    "asks in question %i for columns by what they are",
    (_, query) => {
      const used = [...query.matchAll(/(?:blob|double|index)\d+/g)].map(([column]) => column);
      expect(used.length).toBeGreaterThan(1);
      for (const column of used) expect(column === "index1" ? "tenant" : nameOf(column), column).toBeDefined();
      for (const { expression, alias } of selected(query)) {
        expect(alias, expression).toMatch(/^\w+$/);
        // A count of points under a condition belongs to no column.
        // The weight of a point belongs to no column either.
        const told = expression.replaceAll("_sample_interval * double8", "");
        const [column] = told.includes("if(") ? [] : (/(?:blob|double|index)\d+/.exec(told) ?? []);
        if (column === undefined) continue;
        const name = column === "index1" ? "tenant" : nameOf(column);
        expect(alias.toLowerCase(), `${column} as ${alias}`).toContain(name?.toLowerCase());
      }
    },
  );

  it.each(queries.map((query, at) => [at + 1, query] as const))(
    "compares in question %i with values that there are",
    (_, query) => {
      const results = ["ok", ...Object.keys(PROBLEMS), "failed", "gave-up", "retried", "unknown", "dead"];
      const known: Readonly<Record<string, readonly string[]>> = {
        point: ["operation", "job", "embedding", "tenant-copy"],
        name: [...AUDIT_ACTIONS, ...jobKindSchema.options],
        result: results,
      };
      const compared = [...query.matchAll(/(blob\d+) !?= '([^']*)'/g)];
      expect(compared.length).toBeGreaterThan(0);
      for (const [, column = "", value = ""] of compared) expect(known[nameOf(column) ?? ""], column).toContain(value);
      const weight = query.includes("'operation'") ? "_sample_interval * double8" : "_sample_interval";
      expect(query).toContain(weight);
      expect(query.replaceAll(weight, "")).not.toContain("_sample_interval");
      expect(query).toMatch(/timestamp > NOW\(\) - INTERVAL '\d+' (HOUR|DAY)/);
    },
  );
});
