import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { showTable } from "../../scripts/program/table.ts";
import { createRandom } from "../../simulation/random.ts";
import { newMessageSchema } from "../../src/api/message.ts";
import { RequestFailure } from "../../tools/bench/client.ts";
import { FailureTally } from "../../tools/bench/failures.ts";
import { describesQuery } from "../../tools/bench/host.ts";
import { type BenchOptions, benchProgram, SECTIONS } from "../../tools/bench/options.ts";
import { distributionOf, ratioOf, shuffle } from "../../tools/bench/statistics.ts";
import { createTalk } from "../../tools/bench/talk.ts";
import { createZipfQueries, createZipfTalk } from "../../tools/bench/zipf-talk.ts";
import { readCommandLine } from "../support/command-line.ts";

describe("percentiles", () => {
  it("are times that were measured, whatever their order", () => {
    const samples = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(distributionOf(samples)).toEqual({ count: 100, p50Ms: 50, p95Ms: 95, p99Ms: 99, maxMs: 100 });
  });

  it("of one sample are that sample, and of none there are none", () => {
    expect(distributionOf([7.25])).toEqual({ count: 1, p50Ms: 7.25, p95Ms: 7.25, p99Ms: 7.25, maxMs: 7.25 });
    expect(distributionOf([])).toBeNull();
  });

  it("increase, and do not change the samples", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1 }), (samples) => {
        const before = [...samples];
        const { p50Ms, p95Ms, p99Ms, maxMs } = distributionOf(samples) ?? expect.unreachable();
        expect(samples).toEqual(before);
        expect([p50Ms, p95Ms, p99Ms, maxMs]).toEqual([p50Ms, p95Ms, p99Ms, maxMs].toSorted((a, b) => a - b));
      }),
    );
  });
});

describe("ratios", () => {
  it("have two decimals, and are null if there is nothing to divide by", () => {
    expect(ratioOf(1, 3)).toBe(0.33);
    expect(ratioOf(1, 0)).toBeNull();
    expect(ratioOf(undefined, 3)).toBeNull();
    expect(ratioOf(1, undefined)).toBeNull();
  });
});

describe("a random order", () => {
  it("is the same for the same seed, loses nothing and does not change the list", () => {
    const list = [1, 2, 3, 4, 5, 6, 7, 8];
    const once = shuffle(list, createRandom(3));
    expect(once).toEqual(shuffle(list, createRandom(3)));
    expect(once).not.toEqual(shuffle(list, createRandom(4)));
    expect(once.toSorted((a, b) => a - b)).toEqual(list);
    expect(list).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("puts each entry into each position about equally often", () => {
    const random = createRandom(1);
    const places = [0, 0, 0, 0];
    for (let round = 0; round < 4_000; round += 1) {
      const place = shuffle(["a", "b", "c", "d"], random).indexOf("a");
      places[place] = (places[place] ?? 0) + 1;
    }
    for (const times of places) expect(Math.abs(times - 1_000)).toBeLessThan(150);
  });
});

describe("the text of a benchmark", () => {
  it("is the same for the same seed, has the size of the yardsticks, and is accepted by the contract", () => {
    const [talk, again, other] = [createTalk(1), createTalk(1), createTalk(2)];
    const turns = Array.from({ length: 200 }, talk);
    expect(turns).toEqual(Array.from({ length: 200 }, again));
    expect(turns).not.toEqual(Array.from({ length: 200 }, other));
    const bytes = turns.reduce((sum, turn) => sum + Buffer.byteLength(turn.content), 0) / turns.length;
    expect(bytes).toBeGreaterThan(250);
    expect(bytes).toBeLessThan(310);
    expect(turns.map((turn) => newMessageSchema.parse(turn))).toEqual(turns);
  });
});

describe("made-up words", () => {
  it("are the same for the same seed, most of them common, and some rare", () => {
    const talk = createZipfTalk(1);
    const turns = Array.from({ length: 500 }, talk);
    expect(turns).toEqual(Array.from({ length: 500 }, createZipfTalk(1)));
    expect(turns.map((turn) => newMessageSchema.parse(turn))).toEqual(turns);
    const counts = new Map<string, number>();
    for (const word of turns.flatMap(({ content }) => content.split(" ")))
      counts.set(word, (counts.get(word) ?? 0) + 1);
    const sorted = [...counts.values()].toSorted((a, b) => b - a);
    expect(sorted[0]).toBeGreaterThan(500);
    expect(sorted.filter((count) => count === 1).length).toBeGreaterThan(sorted.length / 2);
  });

  it("make queries of eight words, some of which name the current month", () => {
    const queries = Array.from({ length: 20 }, createZipfQueries(2, new Date("2026-11-22T00:00:00Z")));
    expect(queries.filter((query) => query.endsWith(" in November 2026"))).toHaveLength(2);
    expect(queries[1]?.split(" ")).toHaveLength(8);
  });
});

describe("the check for a query in an OpenAPI document", () => {
  const body = { content: { "application/json": { schema: { $ref: "#/components/schemas/ContextRequest" } } } };
  const documentWith = (properties: Record<string, unknown>) => ({
    paths: { "/v1/sessions/{sessionId}/context": { get: {}, post: { requestBody: body } } },
    components: { schemas: { ContextRequest: { type: "object", properties } } },
  });

  it("reads the body of POST /context, whether it is referenced or inline", () => {
    expect(describesQuery(documentWith({ query: { type: "string" } }))).toBe(true);
    expect(describesQuery(documentWith({ maxTokens: { type: "integer" } }))).toBe(false);
    const schema = { properties: { query: {} } };
    const post = { requestBody: { content: { "application/json": { schema } } } };
    const inPlace = { paths: { "/v1/sessions/{sessionId}/context": { post } }, components: { schemas: {} } };
    expect(describesQuery(inPlace)).toBe(true);
    expect(describesQuery({ paths: {}, components: { schemas: {} } })).toBe(false);
  });
});

describe("failures of a benchmark", () => {
  it("are counted by place and kind, with the first of each in full", () => {
    const tally = new FailureTally();
    for (const at of [1, 2, 3]) tally.note("load", new RequestFailure("503 overloaded", `request ${at}`));
    tally.note("load", new RequestFailure("ECONNRESET", "request 4"));
    tally.note("update", new RequestFailure("ECONNRESET", "request 5"));
    expect(tally.list()).toEqual([
      { place: "load", kind: "503 overloaded", count: 3, first: "request 1" },
      { place: "load", kind: "ECONNRESET", count: 1, first: "request 4" },
      { place: "update", kind: "ECONNRESET", count: 1, first: "request 5" },
    ]);
    expect(tally.countAt("load")).toBe(4);
  });

  it("stop a section in which everything fails, and do not hide a bug of the benchmark", () => {
    const tally = new FailureTally();
    const failOnAndOn = (): void => {
      for (let at = 0; at < 1_000; at += 1) tally.note("load", new RequestFailure("ECONNREFUSED", "nobody there"));
    };
    expect(failOnAndOn).toThrow("nobody there");
    expect(() => tally.note("load", new TypeError("ours"))).toThrow("ours");
  });
});

describe("the command line of the benchmark", () => {
  const read = (args: readonly string[], env: Record<string, string>) =>
    readCommandLine<BenchOptions>((run) => benchProgram(run, env), args);

  it("measures everything by default, else only what is named", async () => {
    expect(await read([], {})).toMatchObject({
      options: {
        only: SECTIONS.filter((section) => !["archive-search", "wake", "flood"].includes(section)),
        items: 1_000_000,
        target: null,
      },
    });
    expect(await read(["--only", "search", "latency"], {})).toMatchObject({
      options: { only: ["latency", "search"] },
    });
    expect(await read(["--only=bundle,update"], {})).toMatchObject({ options: { only: ["bundle", "update"] } });
    expect(await read(["--only", "archive-search", "--items", "5000"], {})).toMatchObject({
      options: { only: ["archive-search"], items: 5_000 },
    });
    expect(await read(["--only", "keys"], {})).toMatchObject({ options: { only: ["access"] } });
    expect(await read(["--quick", "--seconds", "2"], {})).toMatchObject({
      options: { isQuick: true, floodSeconds: 2 },
    });
  });

  it("takes the key of a running service from the environment", async () => {
    expect(await read(["--url", "http://localhost:8787"], { THREADKEEP_API_KEY: "k" })).toMatchObject({
      options: { target: { url: "http://localhost:8787", apiKey: "k", adminKey: null, tenant: "default" } },
    });
  });

  it.each([
    [["--only", "lunch"], "lunch"],
    [["--only", "load"], "load"],
    [["--only", "flood", "--url", "http://127.0.0.1:8787"], "leave out --url"],
    [["--seconds", "1.5"], "--seconds"],
    [["--items", "99999999"], "--items"],
    [["--url", "localhost:8787", "--key", "k"], "--url"],
    [["--url", "http://localhost:8787"], "THREADKEEP_API_KEY"],
    [["--nonsense"], "nonsense"],
  ])("refuses %j, and says what is wrong", async (args, named) => {
    const parsed = await read(args, {});
    expect("fault" in parsed && parsed.fault).toContain(named);
  });
});

describe("tables", () => {
  it("are aligned, names to the left and numbers to the right", () => {
    expect(showTable(["what", "ms"], [["a", "1.00"], ["longer", "12.00"], ["no number"]])).toEqual([
      "what          ms",
      "a           1.00",
      "longer     12.00",
      "no number",
    ]);
  });
});
