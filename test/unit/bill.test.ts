import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { unstable_readConfig as readConfig } from "wrangler";
import { readMeasured } from "../../scripts/bill/measured.ts";
import { billOf, short, timesOf } from "../../scripts/bill/month.ts";
import { dollarsFor } from "../../scripts/bill/prices.ts";
import { renderBill, renderOperations, renderSamplings, showDollars } from "../../scripts/bill/tables.ts";
import {
  EXAMPLE_MODEL,
  renderUserDay,
  REQUESTS_PER_DAY,
  ROWS_OF_ACTIONS,
  USER_REQUESTS,
  userDayRows,
} from "../../scripts/bill/user-day.ts";
import { USERS, USUAL } from "../../scripts/bill/usual.ts";
import { sessionLimitsSchema } from "../../src/api/quota.ts";
import { REQUESTS } from "../../src/api/requests.ts";

describe("what a user can cost in a day", () => {
  it("is what docs/security.md shows (else: npm run bill -- user)", () => {
    expect(readFileSync("docs/security.md", "utf8")).toContain(`\n\n${renderUserDay(undefined, EXAMPLE_MODEL)}\n\n`);
  });

  it.each([undefined, "staging", "production"])("includes the limit of wrangler.toml: %s", (env) => {
    const { ratelimits } = readConfig({ config: "wrangler.toml", env }, { hideWarnings: true });
    const { simple } =
      ratelimits.find((limiter: { readonly name: string }) => limiter.name === "RATE_LIMIT_USER") ?? {};
    expect(simple).toEqual({ limit: USER_REQUESTS.limit, period: USER_REQUESTS.periodSeconds });
    expect(REQUESTS_PER_DAY).toBe(864_000);
  });

  it("has a row for each limit of a user's day, and for the request limiter", () => {
    const told = userDayRows(undefined, EXAMPLE_MODEL).map(({ boundedBy }) => boundedBy);
    const ofUser = Object.keys(sessionLimitsSchema.shape).filter((name) => /^user\w+PerDay$/.test(name));
    expect(ofUser.length).toBeGreaterThan(5);
    for (const name of [...ofUser, "RATE_LIMIT_USER"]) expect(told).toContainEqual(`\`${name}\``);
  });

  it("counts each action that a user may do in some of its rows, and has no row that nobody can use", () => {
    const forUsers = Object.entries(REQUESTS).filter(([, { scopes }]) =>
      scopes.every((scope) => scope.startsWith("memory:")),
    );
    expect(Object.keys(ROWS_OF_ACTIONS).toSorted()).toEqual(forUsers.map(([action]) => action).toSorted());
    const used = new Set<string>(Object.values(ROWS_OF_ACTIONS).flat());
    const rows = userDayRows(undefined, EXAMPLE_MODEL).map(({ name }) => name);
    expect(rows.toSorted()).toEqual([...used, "requests"].toSorted());
  });

  it("follows a tenant's limits and a model's prices, and has no bound if a limit is removed", () => {
    const dollarsOf = (limits: Parameters<typeof userDayRows>[0], model = EXAMPLE_MODEL) =>
      Object.fromEntries(userDayRows(limits, model).map(({ boundedBy, dollars }) => [boundedBy, dollars ?? Infinity]));
    const usual = dollarsOf(undefined);
    const tight = dollarsOf({ userSessionsPerDay: 250 });
    expect(tight["`userSessionsPerDay`"]).toBeCloseTo((usual["`userSessionsPerDay`"] ?? 0) / 2, 9);
    const dear = dollarsOf(undefined, { input: 3, output: 15 });
    expect(dear["`userTokensPerDay`"]).toBeGreaterThan(30 * (usual["`userTokensPerDay`"] ?? 0));
    expect(renderUserDay({ userTokensPerDay: null }, EXAMPLE_MODEL)).toMatch(
      /no bound \| `userTokensPerDay` \| no bound/,
    );
    expect(renderUserDay({ userTokensPerDay: null }, EXAMPLE_MODEL)).toContain("**no bound**");
  });

  it("multiplies usage by prices", () => {
    expect(dollarsFor({ requests: 1_000_000, rowsWritten: 2_000_000 }, EXAMPLE_MODEL)).toBeCloseTo(2.3, 9);
    expect(dollarsFor({ objectMs: 1_000_000_000, queueMessages: 1_000_000 }, EXAMPLE_MODEL)).toBeCloseTo(2.8, 9);
    expect(dollarsFor({ modelTokensIn: 1_000_000, modelTokensOut: 1_000_000 }, EXAMPLE_MODEL)).toBeCloseTo(0.5, 9);
  });
});

describe("the bill of a month", () => {
  const measured = readMeasured();
  const use = { ...USUAL, users: 10_000 };

  it("is what docs/capacity.md shows (else: npm run capacity, with --operations and --sampling)", () => {
    const document = readFileSync("docs/capacity.md", "utf8");
    expect(document).toContain(`\n\n${renderBill(USUAL, USERS, measured)}\n\n`);
    expect(document).toContain(`\n\n${renderOperations(measured)}\n\n`);
    expect(document).toContain(`\n\n${renderSamplings(USUAL, USERS, measured)}\n\n`);
    for (const bytes of Object.values(measured.bytes)) {
      expect(document).toContain(`${bytes.toLocaleString("en")} bytes`);
    }
    expect(document).toContain(`and ${measured.tokensATurn} tokens`);
  });

  it("is what the README shows", () => {
    const [first, last] = [billOf({ ...use, users: 1_000 }, measured, 1), billOf(use, measured, 1)];
    expect(readFileSync("README.md", "utf8")).toContain(
      `${showDollars(first.dollars)} in the first month with 1,000 users, ${showDollars(last.dollars)} with 10,000`,
    );
  });

  it("stays under $45 in the first month of 10,000 users with the usual settings", () => {
    expect(billOf(use, measured, 1).dollars).toBeLessThanOrEqual(45);
  });

  it("is at most half of what it was before rows and spans were saved, in the twelfth month of a million users", () => {
    expect(billOf({ ...use, users: 1_000_000 }, measured, 12).dollars).toBeLessThanOrEqual(13_700 / 2);
  });

  it("is the sum of its lines, and no line falls from month to month", () => {
    const bills = [1, 6, 12].map((month) => billOf(use, measured, month));
    for (const { lines, dollars } of bills) {
      expect(lines.reduce((sum, line) => sum + line.dollars, 0)).toBeCloseTo(dollars, 9);
    }
    for (const [at, line] of (bills[0]?.lines ?? []).entries()) {
      expect(bills[2]?.lines[at]?.dollars, line.part).toBeGreaterThanOrEqual(line.dollars);
    }
  });

  it("has a summary a day at 20 turns, fewer if a day has too little for a summary, and more on long days", () => {
    const summaries = (turns: number): number => timesOf({ ...use, users: 1, turns }, measured).silence;
    expect(summaries(20)).toBe(30);
    expect(summaries(2)).toBeLessThan(30);
    expect(summaries(200)).toBeGreaterThan(100);
  });

  it("counts each question once, with a cold or a warm object, and each session's first message", () => {
    const times = timesOf({ ...use, users: 10, awake: 0.25 }, measured);
    expect(times.begin).toBe(40);
    expect(times.begin + times.askFirst + times.askCold + times.askWarm).toBe(times.answer);
    expect(times.askFirst).toBe(times.silence);
    expect(times.askWarm / (times.askCold + times.askWarm)).toBeCloseTo(0.25, 9);
  });

  it("charges the rows and calls of each operation, and storage as it accumulates", () => {
    const dollars = (part: string, users: number, month: number): number =>
      billOf({ ...use, users }, measured, month).lines.find((line) => line.part.startsWith(part))?.dollars ??
      Number.NaN;
    const { operations, bytes } = measured;
    const times = timesOf({ ...use, users: 1_000_000 }, measured);
    const rows = Object.entries(operations).reduce(
      (sum, [name, { rowsWritten }]) => sum + rowsWritten * times[name as keyof typeof times],
      0,
    );
    expect(dollars("rows written", 1_000_000, 1)).toBeCloseTo(rows / 1e6 - 50, 4);
    const session = bytes.begin + bytes.firstSilence;
    const stored = 1_000_000 * bytes.list + 12 * (times.begin * session + 1_000_000 * 30 * bytes.objectDay);
    expect(dollars("storage of objects", 1_000_000, 12)).toBeCloseTo((stored / 1e9 - 5) * 0.2, 4);
    // Each session is used for 7.5 days, and grows as it does in its first days for three of them.
    const archived = 12e6 * use.sessions * (bytes.postgresSession + 4.5 * bytes.postgresDay);
    expect(dollars("disk of PostgreSQL", 1_000_000, 12)).toBeCloseTo((archived / 1e9 - 8) * 0.125, 4);
    expect(dollars("logs and traces", 1_000_000, 1)).toBeGreaterThan(dollars("logs and traces", 10_000, 1));
  });

  it("writes numbers in three digits", () => {
    expect([0, 7, 999, 1_234, 12_345_678, 3_700_000_000].map(short)).toEqual([
      "0",
      "7",
      "999",
      "1.23 k",
      "12.3 M",
      "3.7 G",
    ]);
    expect([0, 5, 12_345.6].map(showDollars)).toEqual(["$0", "$5.00", "$12,346"]);
  });
});
