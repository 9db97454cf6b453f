import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { problemAnswer } from "../../src/http/problems.ts";
import { appendQuotaFault, startOfDay, findDayStart, summaryQuotaFault } from "../../src/session/quota/day.ts";

const NOON = Date.UTC(2026, 10, 22, 12);
const MIDNIGHT = Date.UTC(2026, 10, 22);
const COST = 10;

/** A log of messages that were said at these moments, all at the same cost. It counts its reads. */
function logOf(moments: readonly number[]) {
  let reads = 0;
  return {
    get reads() {
      return reads;
    },
    createdAt(seq: number): number | null {
      reads += 1;
      return moments[seq - 1] ?? null;
    },
    head: () => (moments.length === 0 ? null : { seq: moments.length, appendedCost: moments.length * COST }),
    appendedCostAt: (seq: number) => seq * COST,
  };
}

const moment = fc.integer({ min: MIDNIGHT - 86_400_000, max: NOON });

describe("the last message before the day", () => {
  test("is the last one of the days before, in every ordered log", () => {
    fc.assert(
      fc.property(fc.array(moment, { maxLength: 200 }), (moments) => {
        const log = logOf(moments.toSorted((a, b) => a - b));
        const seq = moments.filter((at) => at < MIDNIGHT).length;
        expect(findDayStart(log, NOON)).toEqual({ seq, totalCost: seq * COST });
      }),
    );
  });

  test("leaves out nothing that was said today, whatever times an import brought before it", () => {
    fc.assert(
      fc.property(fc.array(moment, { maxLength: 100 }), fc.nat(50), (imported, today) => {
        const log = logOf([...imported, ...Array.from({ length: today }, () => NOON)]);
        expect(findDayStart(log, NOON).seq).toBeLessThanOrEqual(imported.length);
      }),
    );
  });

  test("is found with 17 reads in the longest session", () => {
    const log = logOf(Array.from({ length: 100_000 }, (_, index) => MIDNIGHT - 50_000 + index));
    expect(findDayStart(log, NOON).seq).toBe(50_000);
    expect(log.reads).toBeLessThanOrEqual(17);
  });

  test("changes at midnight UTC and not before", () => {
    expect(startOfDay(MIDNIGHT)).toBe(MIDNIGHT);
    expect(startOfDay(MIDNIGHT + 86_399_999)).toBe(MIDNIGHT);
    expect(startOfDay(MIDNIGHT - 1)).toBe(MIDNIGHT - 86_400_000);
  });
});

describe("a limit of the day", () => {
  const start = { epoch: "epoch", day: MIDNIGHT, seq: 100, totalCost: 5_000, earlier: { messages: 0, tokens: 0 } };
  const at = (seq: number, totalCost: number) => ({ seq, totalCost });

  test("may be reached and not exceeded", () => {
    const limits = { sessionMessagesPerDay: 10 };
    expect(appendQuotaFault(limits, start, at(110, 6_000), at(109, 5_900), NOON)).toBeNull();
    expect(appendQuotaFault(limits, start, at(111, 6_000), at(109, 5_900), NOON)).toMatchObject({
      code: "quota_exceeded",
      retryAfterSeconds: 43_200,
      quota: { name: "messages", limit: 10, remaining: 1, resetSeconds: 43_200 },
    });
  });

  test("on tokens applies in addition to that on messages", () => {
    const limits = { sessionMessagesPerDay: 10, sessionTokensPerDay: 500 };
    expect(appendQuotaFault(limits, start, at(105, 5_500), at(104, 5_400), NOON)).toBeNull();
    expect(appendQuotaFault(limits, start, at(105, 5_501), at(104, 5_400), NOON)?.quota).toMatchObject({
      name: "tokens",
      remaining: 100,
    });
  });

  test("counts what earlier epochs of the session used on the day", () => {
    const begun = { ...start, earlier: { messages: 8, tokens: 0 } };
    const limits = { sessionMessagesPerDay: 10 };
    expect(appendQuotaFault(limits, begun, at(102, 5_100), at(101, 5_050), NOON)).toBeNull();
    expect(appendQuotaFault(limits, begun, at(103, 5_200), at(102, 5_100), NOON)?.quota).toMatchObject({
      remaining: 0,
    });
  });

  test("that is null does not apply", () => {
    const limits = { sessionMessagesPerDay: null, sessionTokensPerDay: null, sessionSummariesPerDay: null };
    expect(appendQuotaFault(limits, start, at(9_999, 999_999), at(0, 0), NOON)).toBeNull();
    expect(summaryQuotaFault(limits, 1_000, NOON)).toBeNull();
  });

  test("never reports less than zero left, nor a remaining time of zero", () => {
    const fault = appendQuotaFault({ sessionMessagesPerDay: 5 }, start, at(200, 0), at(199, 0), MIDNIGHT + 86_399_999);
    expect(fault?.quota).toMatchObject({ remaining: 0, resetSeconds: 1 });
  });

  test("is reported in the headers that clients use", () => {
    const fault = summaryQuotaFault({ sessionSummariesPerDay: 3 }, 3, NOON);
    if (fault === null) throw new Error("it was not refused");
    const answer = problemAnswer(fault, "request-1");
    expect(answer.status).toBe(429);
    expect(answer.headers.get("Retry-After")).toBe("43200");
    expect(answer.headers.get("RateLimit-Policy")).toBe('"summaries";q=3;w=86400');
    expect(answer.headers.get("RateLimit")).toBe('"summaries";r=0;t=43200');
  });
});
