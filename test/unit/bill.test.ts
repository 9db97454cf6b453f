import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { unstable_readConfig as readConfig } from "wrangler";
import { dollarsFor } from "../../scripts/bill/prices.ts";
import {
  EXAMPLE_MODEL,
  renderUserDay,
  REQUESTS_PER_DAY,
  USER_REQUESTS,
  userDayRows,
} from "../../scripts/bill/user-day.ts";
import { sessionLimitsSchema } from "../../src/contracts/quota.ts";

describe("what a user can cost in a day", () => {
  it("is what docs/security.md shows (else: npm run bill -- user)", () => {
    expect(readFileSync("docs/security.md", "utf8")).toContain(`\n\n${renderUserDay(undefined, EXAMPLE_MODEL)}\n\n`);
  });

  it.each([undefined, "staging", "production"])("counts with the limiter of wrangler.toml: %s", (env) => {
    const { ratelimits } = readConfig({ config: "wrangler.toml", env }, { hideWarnings: true });
    const { simple } =
      ratelimits.find((limiter: { readonly name: string }) => limiter.name === "RATE_LIMIT_USER") ?? {};
    expect(simple).toEqual({ limit: USER_REQUESTS.limit, period: USER_REQUESTS.periodSeconds });
    expect(REQUESTS_PER_DAY).toBe(864_000);
  });

  it("has a row for each bound of a user's day, and for the limiter", () => {
    const told = userDayRows(undefined, EXAMPLE_MODEL).map(({ boundedBy }) => boundedBy);
    const ofUser = Object.keys(sessionLimitsSchema.shape).filter((name) => /^user\w+PerDay$/.test(name));
    expect(ofUser.length).toBeGreaterThan(5);
    for (const name of [...ofUser, "RATE_LIMIT_USER"]) expect(told).toContainEqual(`\`${name}\``);
  });

  it("follows a tenant's limits and a model's prices, and is boundless with one that is", () => {
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

  it("adds up what is used by its prices", () => {
    expect(dollarsFor({ requests: 1_000_000, rowsWritten: 2_000_000 }, EXAMPLE_MODEL)).toBeCloseTo(2.3, 9);
    expect(dollarsFor({ objectMs: 1_000_000_000, queueMessages: 1_000_000 }, EXAMPLE_MODEL)).toBeCloseTo(2.8, 9);
    expect(dollarsFor({ modelTokensIn: 1_000_000, modelTokensOut: 1_000_000 }, EXAMPLE_MODEL)).toBeCloseTo(0.5, 9);
  });
});
