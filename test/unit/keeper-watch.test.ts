import { describe, expect, it, onTestFinished, vi } from "vitest";
import { type AlertBook, type AlertNotice, alertNoticeSchema, EMPTY_ALERT_BOOK } from "../../src/contracts/alert.ts";
import type { Readiness } from "../../src/contracts/health.ts";
import type { AlertKeeper } from "../../src/maintenance/alert-keeper.ts";
import { checkAlerts } from "../../src/maintenance/check-alerts.ts";
import { createLog } from "../../src/telemetry/log.ts";

const NOON = Date.parse("2026-11-23T12:00:30Z");
const MINUTE = 60_000;

/** A keeper in memory, which can go away or fall silent. */
class StandInKeeper implements AlertKeeper {
  state: "there" | "away" | "silent" = "there";
  book: AlertBook = EMPTY_ALERT_BOOK;
  #owed: AlertNotice[] = [];

  readonly readBook = async (): Promise<AlertBook> => {
    await this.#answer();
    return this.book;
  };
  readonly saveBook = async (book: AlertBook, notices: readonly AlertNotice[]): Promise<boolean> => {
    await this.#answer();
    this.book = book;
    this.#owed.push(...notices);
    return true;
  };
  readonly takeNotices = async () => {
    await this.#answer();
    return this.#owed.map((notice) => ({ notice, attempts: 1 }));
  };
  readonly settleNotice = async (id: string): Promise<void> => {
    this.#owed = this.#owed.filter((notice) => notice.id !== id);
  };

  #answer(): Promise<void> {
    if (this.state === "away") return Promise.reject(new Error("out of reach"));
    return this.state === "silent" ? new Promise(() => undefined) : Promise.resolve();
  }
}

const WELL: Readiness = { status: "ok", checkedAt: new Date(NOON).toISOString(), components: {} };

function setUp() {
  vi.useFakeTimers({ now: NOON });
  const posted: AlertNotice[] = [];
  const receiver = { status: 204 };
  vi.stubGlobal("fetch", async (_url: string, { body }: { body: string }) => {
    posted.push(alertNoticeSchema.parse(JSON.parse(body)));
    return new Response(null, { status: receiver.status });
  });
  onTestFinished(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });
  const [keeper, standby] = [new StandInKeeper(), new StandInKeeper()];
  const memory: { toldAs: string | null } = { toldAs: null };
  const lines: string[] = [];
  const pause = vi.fn<(ms: number) => Promise<void>>(async () => undefined);
  /** One check, as long as it takes, a minute after the last one began. */
  const look = async (remembers = memory): Promise<void> => {
    const startedAt = Date.now();
    const checked = checkAlerts({
      keeper,
      checkReadiness: async () => WELL,
      webhook: { url: "http://127.0.0.1/hook", secret: "the secret of the tests" },
      hasDigest: false,
      log: createLog({ write: (_, line) => lines.push(line) }),
      watch: { standby, memory: remembers, pause },
    });
    await vi.advanceTimersByTimeAsync(45_000);
    await checked;
    vi.setSystemTime(startedAt + MINUTE);
  };
  return { keeper, standby, posted, receiver, lines, pause, look };
}

describe("the keeper of alerts", () => {
  it("that does not answer counts as away: it is told by the stand-in, and holds up no check", async () => {
    const { keeper, posted, lines, look } = setUp();
    keeper.state = "silent";
    for (let minute = 0; minute < 3; minute += 1) await look();
    expect(posted).toMatchObject([{ type: "alert.started", alert: { kind: "operations-away" } }]);
    expect(lines.join()).toContain("alerts_not_checked");
  });

  it("that fails one look is not told of", async () => {
    const { keeper, standby, posted, look } = setUp();
    keeper.state = "away";
    await look();
    keeper.state = "there";
    for (let minute = 0; minute < 3; minute += 1) await look();
    expect(posted).toEqual([]);
    expect(standby.book.states).toEqual([]);
  });

  it("that is there is not told of where the stand-in is away", async () => {
    const { standby, posted, lines, look } = setUp();
    standby.state = "away";
    for (let minute = 0; minute < 3; minute += 1) await look();
    expect(posted).toEqual([]);
    expect(lines.join()).toContain("alert_standby_unreachable");
  });
});

describe("both objects away", () => {
  it("are told without them, once an hour, under an id that is the hour's in every isolate", async () => {
    const { keeper, standby, posted, look } = setUp();
    keeper.state = "away";
    standby.state = "silent";
    for (let minute = 0; minute < 70; minute += 1) await look();
    const ids = ["operations-away-2026-11-23T12", "operations-away-2026-11-23T13"];
    expect(posted.map(({ id }) => id)).toEqual(ids);
    await look({ toldAs: null });
    expect(posted.at(-1)?.id).toBe(ids[1]);
  });

  it("are not told where one of them answers after a moment", async () => {
    const { keeper, standby, posted, pause, look } = setUp();
    [keeper.state, standby.state] = ["away", "away"];
    pause.mockImplementationOnce(async () => {
      standby.state = "there";
    });
    await look();
    expect(pause).toHaveBeenCalledTimes(1);
    expect(posted).toEqual([]);
  });

  it("are told again by the next check where the webhook took nothing", async () => {
    const { keeper, standby, posted, receiver, look } = setUp();
    [keeper.state, standby.state] = ["away", "away"];
    receiver.status = 500;
    await look();
    receiver.status = 204;
    for (let minute = 0; minute < 2; minute += 1) await look();
    expect(posted).toHaveLength(2);
  });
});
