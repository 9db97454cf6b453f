import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import {
  ALERT_KINDS,
  type AlertBook,
  type AlertKind,
  type AlertNotice,
  alertNoticeSchema,
  EMPTY_ALERT_BOOK,
} from "../../src/api/alert.ts";
import { COMPONENTS, type ComponentHealth, type Readiness } from "../../src/api/health.ts";
import { decideAlerts, type AlertFinding, type Findings, findingsOf } from "../../src/maintenance/alerts.ts";
import { checkAlerts, THRESHOLDS } from "../../src/maintenance/check-alerts.ts";
import { runSchedule } from "../../src/maintenance/schedule.ts";
import { signBody } from "../../src/maintenance/webhook.ts";
import { createLog } from "../../src/telemetry/log.ts";

const MINUTE = 60_000;
const HOUR = 3_600_000;
const NOON = Date.parse("2026-11-22T12:00:30Z");

function found(what: AlertFinding["found"], measures = {}): AlertFinding {
  return { found: what, detail: "It is so.", measures };
}

function findings(change: Partial<Record<AlertKind, AlertFinding>> = {}): Findings {
  return Object.fromEntries(ALERT_KINDS.map((kind) => [kind, change[kind] ?? found("good")])) as Record<
    AlertKind,
    AlertFinding
  >;
}

/** Checks once a minute. */
function watch(looks: readonly Findings[], { hasDigest = false, startAt = NOON, book = EMPTY_ALERT_BOOK } = {}) {
  const told: AlertNotice[][] = [];
  let ids = 0;
  let current: AlertBook = book;
  for (const [index, look] of looks.entries()) {
    const decided = decideAlerts(current, look, startAt + index * MINUTE, {
      hasDigest,
      status: "degraded",
      newId: () => `id-${(ids += 1)}`,
    });
    for (const notice of decided.notices) expect(alertNoticeSchema.parse(notice)).toEqual(notice);
    told.push(decided.notices);
    current = decided.book;
  }
  return { told, book: current, types: told.map((notices) => notices.map(({ type }) => type).join()) };
}

const postgres = (pattern: string): Findings[] =>
  Array.from(pattern, (letter) => {
    const what = ({ b: "bad", g: "good", m: "between" } as const)[letter as "b" | "g" | "m"] ?? "unknown";
    return findings({ "postgres-away": found(what) });
  });

describe("an alert", () => {
  it("starts with the second check in a row that finds the trouble, and ends with the third that does not", () => {
    const { told, types } = watch(postgres("gbbbbggg"));
    expect(types).toEqual(["", "", "alert.started", "", "", "", "", "alert.ended"]);
    const [[started], [ended]] = [told[2] ?? [], told[7] ?? []];
    expect(started).toMatchObject({
      at: new Date(NOON + 2 * MINUTE).toISOString(),
      alert: { kind: "postgres-away", since: new Date(NOON + MINUTE).toISOString() },
    });
    expect(ended).toMatchObject({ endedAt: new Date(NOON + 7 * MINUTE).toISOString() });
    expect(ended?.type === "alert.ended" && started?.type === "alert.started" && ended.alert.id).toBe(
      started?.type === "alert.started" && started.alert.id,
    );
  });

  it("is sent once however long it lasts, and keeps what was found last", () => {
    const looks = [1, 5, 9].map((messages) => findings({ "queue-backlog": found("bad", { messages }) }));
    const { types, book } = watch(looks);
    expect(types).toEqual(["", "alert.started", ""]);
    expect(book.states).toMatchObject([
      { alert: { measures: { messages: 9 }, lastSeenAt: new Date(NOON + 2 * MINUTE).toISOString() } },
    ]);
  });

  it.each([
    ["a trouble that comes and goes each minute is none", "bgbgbgbgbgbg", 0],
    ["one that stands and flaps is told once", "bbgbgbggbgbgb", 1],
    ["what is between the thresholds neither starts nor ends it", "bmbmbb", 1],
    ["what is between the thresholds is not over", "bbggmggm", 1],
    ["nobody can look: it stands, and does not start", "b?b", 1],
    ["nobody can look: it is not over", "bb??????", 1],
  ])("is not sent repeatedly: %s", (_, pattern, notices) => {
    expect(watch(postgres(pattern)).told.flat()).toHaveLength(notices);
  });

  it("is a new alert when the trouble comes back", () => {
    const { told } = watch(postgres("bbgggbb"));
    const ids = told.flat().map((notice) => (notice.type === "digest" ? "" : notice.alert.id));
    expect(ids).toHaveLength(3);
    expect(ids[0]).toBe(ids[1]);
    expect(ids[2]).not.toBe(ids[0]);
  });

  it("never starts twice and never ends before it started, whatever is found", () => {
    const look = fc.record(
      Object.fromEntries(
        ALERT_KINDS.map((kind) => [
          kind,
          fc.constantFrom("bad", "good", "between", "unknown").map((what) => found(what)),
        ]),
      ) as Record<AlertKind, fc.Arbitrary<AlertFinding>>,
    );
    fc.assert(
      fc.property(fc.array(look, { maxLength: 60 }), (looks) => {
        const { told, book } = watch(looks);
        for (const kind of ALERT_KINDS) {
          const mine = told.flat().filter((notice) => notice.type !== "digest" && notice.alert.kind === kind);
          for (const [index, notice] of mine.entries()) {
            expect(notice.type).toBe(index % 2 === 0 ? "alert.started" : "alert.ended");
          }
          const stands = book.states.some((state) => state.kind === kind && state.alert !== null);
          expect(stands).toBe(mine.length % 2 === 1);
        }
      }),
    );
  });
});

describe("the digest", () => {
  it("is sent once an hour, lists active alerts and counts changes, and is not sent if it is switched off", () => {
    const startAt = Date.parse("2026-11-22T12:50:30Z");
    const looks = [...postgres("bbggg"), ...postgres("bb"), ...postgres("b".repeat(70))];
    const { told } = watch(looks, { hasDigest: true, startAt });
    const digests = told.flat().filter((notice) => notice.type === "digest");
    expect(digests).toMatchObject([
      {
        at: "2026-11-22T13:00:30.000Z",
        started: 2,
        ended: 1,
        status: "degraded",
        standing: [{ kind: "postgres-away" }],
      },
      { at: "2026-11-22T14:00:30.000Z", started: 0, ended: 0 },
    ]);
    expect(watch(looks, { hasDigest: false, startAt }).types.filter((type) => type.includes("digest"))).toEqual([]);
  });

  it("is not sent later for hours without a check, nor with the very first check", () => {
    expect(watch([findings()], { hasDigest: true }).types).toEqual([""]);
    const { book } = watch([findings()]);
    const late = watch([findings()], { hasDigest: true, startAt: NOON + 5 * HOUR, book });
    expect(late.types).toEqual(["digest"]);
  });
});

describe("what a check finds", () => {
  const ok: ComponentHealth = { status: "ok" };
  const readiness = (change: Record<string, ComponentHealth>): Readiness => ({
    status: "ok",
    checkedAt: new Date(NOON).toISOString(),
    components: { ...Object.fromEntries(COMPONENTS.map((name) => [name, ok])), ...change },
  });
  const lookAt = (change: Record<string, ComponentHealth>) => findingsOf(readiness(change), THRESHOLDS);

  it.each([
    ["sessions-away", "sessions"],
    ["postgres-away", "postgres"],
    ["summarizer-away", "summarizer"],
  ] as const)("is %s when %s does not answer", (kind, component) => {
    expect(lookAt({})[kind].found).toBe("good");
    expect(lookAt({ [component]: { status: "unknown" } })[kind].found).toBe("unknown");
    const away = lookAt({ [component]: { status: "degraded", detail: "unreachable" } });
    expect(away[kind]).toMatchObject({ found: "bad", detail: expect.stringContaining("unreachable") });
    expect(Object.values(away).filter(({ found: what }) => what === "bad")).toHaveLength(1);
  });

  it.each([
    ["queue-backlog", "queues", "messages", [2_499, 2_500, 5_000]],
    ["queue-backlog", "queues", "oldestSeconds", [29, 30, 60]],
    ["work-late", "pendingWork", "oldestSeconds", [119, 120, 240]],
  ] as const)(
    "is %s for %s.%s, from a threshold on until it falls below half of it",
    (kind, component, name, values) => {
      const at = (value: number) => lookAt({ [component]: { status: "ok", measures: { [name]: value } } })[kind].found;
      expect(values.map(at)).toEqual(["good", "between", "bad"]);
    },
  );

  it("is one job that fails, or one tenant whose budget is used up", () => {
    const at = (jobs: number, tenantsOverBudget: number) =>
      lookAt({ failedJobs: { status: "ok", measures: { jobs, tenantsOverBudget } } });
    expect([at(0, 0)["jobs-failing"].found, at(1, 0)["jobs-failing"].found]).toEqual(["good", "bad"]);
    expect([at(9, 0)["budget-used-up"].found, at(0, 1)["budget-used-up"].found]).toEqual(["good", "bad"]);
  });

  it("is nothing if nothing was counted", () => {
    const uncounted = lookAt({ queues: { status: "unknown" }, pendingWork: { status: "unknown" } });
    expect([uncounted["queue-backlog"].found, uncounted["work-late"].found]).toEqual(["unknown", "unknown"]);
  });
});

it("a notice is signed as OpenSSL signs it, including its time: a second later the signature differs", () => {
  // printf '1763812800.{"v":1}' | openssl dgst -sha256 -hmac a-secret-of-the-tests
  const signature = signBody('{"v":1}', "a-secret-of-the-tests", 1_763_812_800_999);
  expect(signature).toBe("t=1763812800,v1=2e3021d7c37a88aa8a17b044a4333f75900ea1fa7065c8e034f9cebd2a4e6e87");
  expect(signBody('{"v":1}', "a-secret-of-the-tests", 1_763_812_801_000)).not.toBe(signature);
});

it("each cron does its own work, and a run by hand does all of it", async () => {
  const run = async (cron: string) => {
    const done: string[] = [];
    await runSchedule(cron, {
      checkAlerts: async () => void done.push("alerts"),
      retainAudit: async () => void done.push("audit"),
      endLostRuns: async () => void done.push("runs"),
    });
    return done.join();
  };
  expect([await run("* * * * *"), await run("17 3 * * *"), await run("")]).toEqual([
    "alerts",
    "audit,runs",
    "alerts,audit,runs",
  ]);
});

describe("a check", () => {
  it("ends after 15 s if the Operations object stores nothing, and is logged", async () => {
    vi.useFakeTimers();
    try {
      const never = (): Promise<never> => new Promise(() => undefined);
      const lines: string[] = [];
      const checked = checkAlerts({
        keeper: { readBook: never, saveBook: never, takeNotices: never, settleNotice: never },
        checkReadiness: async () => ({ status: "ok", checkedAt: new Date(NOON).toISOString(), components: {} }),
        webhook: { url: "http://127.0.0.1/hook", secret: "the secret of the tests" },
        hasDigest: false,
        log: createLog({ write: (_, line) => lines.push(line) }),
      });
      await vi.advanceTimersByTimeAsync(15_000);
      await checked;
      expect(lines.map((line) => JSON.parse(line).event)).toEqual(["alerts_not_checked"]);
    } finally {
      vi.useRealTimers();
    }
  });
});
