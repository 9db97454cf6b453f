import { describe, expect, it } from "vitest";
import { costsOf, Pace, paceRequests } from "../../src/access/pace.ts";
import { ThreadkeepError } from "../../src/api/errors.ts";
import {
  BYTES_PER_PACED_UNIT,
  MAX_PACED_WAIT_MS,
  PACED_BURST_UNITS,
  PACED_UNITS_OF_A_REFUSAL,
  PACED_UNITS_PER_SECOND,
} from "../../src/api/limits.ts";
import type { Principal } from "../../src/api/principal.ts";

/** A pace whose clock the test moves. Nothing really waits; the waiting times are recorded. */
function pace() {
  const clock = { now: 1_000_000 };
  const waited: number[] = [];
  const made = new Pace({
    now: () => clock.now,
    wait: async (ms) => {
      waited.push(Math.round(ms));
    },
  });
  const send = async (user: string): Promise<number | "refused"> => {
    waited.length = 0;
    try {
      await made.admit(user);
      return waited[0] ?? 0;
    } catch (error) {
      if (!(error instanceof ThreadkeepError)) throw error;
      expect(error.fault.code).toBe("rate_limited");
      return "refused";
    }
  };
  const sendMany = async (user: string, count: number) => {
    const answers = [];
    for (let at = 0; at < count; at += 1) answers.push(await send(user));
    return answers;
  };
  return { clock, made, send, sendMany };
}

const SPACE_MS = 1_000 / PACED_UNITS_PER_SECOND;
const WAITING = MAX_PACED_WAIT_MS / SPACE_MS;

describe("the requests of a user", () => {
  it("pass at once, then wait for one another, then are refused; another user's pass", async () => {
    const { send, sendMany } = pace();
    expect(await sendMany("ada", PACED_BURST_UNITS)).toEqual(Array(PACED_BURST_UNITS).fill(0));
    const waits = Array.from({ length: WAITING }, (_, at) => (at + 1) * SPACE_MS);
    expect(await sendMany("ada", WAITING)).toEqual(waits);
    expect(await send("ada")).toBe(MAX_PACED_WAIT_MS + SPACE_MS);
    expect(await sendMany("ada", 2)).toEqual(["refused", "refused"]);
    expect(await send("bob")).toBe(0);
  });

  it("that are refused make nobody wait longer", async () => {
    const { clock, send, sendMany } = pace();
    await sendMany("ada", PACED_BURST_UNITS + WAITING + 100);
    clock.now += SPACE_MS;
    expect(await send("ada")).toBe(MAX_PACED_WAIT_MS + SPACE_MS);
  });

  it("come in no second burst while they continue", async () => {
    const { clock, sendMany } = pace();
    await sendMany("ada", PACED_BURST_UNITS + 1);
    for (let second = 0; second < 20; second += 1) {
      clock.now += 1_000;
      const waits = await sendMany("ada", PACED_UNITS_PER_SECOND + 1);
      expect(waits.filter((wait) => wait === 0).length).toBeLessThanOrEqual(PACED_UNITS_PER_SECOND);
    }
  });

  it("pass at once again after a silence, but not more than before", async () => {
    const { clock, sendMany } = pace();
    await sendMany("ada", PACED_BURST_UNITS + WAITING);
    clock.now += 3_600_000;
    const waits = await sendMany("ada", PACED_BURST_UNITS + 1);
    expect(waits.filter((wait) => wait === 0)).toHaveLength(PACED_BURST_UNITS);
  });

  it("count more the larger they and their answers are; small ones count once", async () => {
    const { made, sendMany } = pace();
    made.spend("ada", BYTES_PER_PACED_UNIT - 1);
    made.spend("ada", 20 * BYTES_PER_PACED_UNIT);
    const waits = await sendMany("ada", 11);
    expect(waits.filter((wait) => wait === 0)).toHaveLength(10);
  });

  it("count more if they are invalid", async () => {
    const { made, sendMany } = pace();
    for (let at = 0; at < 5; at += 1) made.refuse("ada");
    const waits = await sendMany("ada", PACED_BURST_UNITS);
    expect(waits.filter((wait) => wait === 0)).toHaveLength(PACED_BURST_UNITS - 5 * PACED_UNITS_OF_A_REFUSAL);
  });

  it("leave no debt that would make the next one refused, however large one was", async () => {
    const { made, send } = pace();
    made.spend("ada", 100_000_000);
    expect(await send("ada")).toBe(MAX_PACED_WAIT_MS + SPACE_MS);
    made.spend("ada", 100_000_000);
    expect(await send("ada")).toBe("refused");
  });

  it("are remembered for a limited number of users; the least recent is forgotten first", async () => {
    const { clock, send, sendMany } = pace();
    await sendMany("ada", PACED_BURST_UNITS + 5);
    await send("calm");
    clock.now += SPACE_MS;
    for (let at = 0; at < 4_999; at += 1) await send(`user ${at}`);
    expect(await send("ada")).toBeGreaterThan(0);
  });
});

describe("the users who are paced", () => {
  const someone = (change: Partial<Principal>): Principal => ({
    kind: "user",
    id: "user:ada",
    tenant: "acme",
    owner: "ada",
    scopes: [],
    ...change,
  });
  const ticket = { id: "t1", epoch: "l1", expiresAt: 0 };

  it("are those with a token or ticket, within a tenant; a back end is not paced, whoever it acts for", () => {
    const names: string[] = [];
    const { spend } = costsOf({ spend: (user) => names.push(user), refuse: () => undefined });
    const pacedAs = (caller: Principal): string | null => {
      spend(caller, 1);
      return names.pop() ?? null;
    };
    expect(pacedAs(someone({}))).toBe("acme/user:ada");
    expect(pacedAs(someone({ kind: "tenant-key", id: "key:k1", ticket }))).toBe("acme/user:ada");
    expect(pacedAs(someone({ tenant: "other" }))).toBe("other/user:ada");
    expect(pacedAs(someone({ kind: "tenant-key", id: "key:k1" }))).toBeNull();
    expect(pacedAs(someone({ kind: "admin", id: "admin" }))).toBeNull();
  });

  it("are refused without asking a limiter", async () => {
    const { made } = pace();
    let asked = 0;
    const limit = paceRequests(async () => void (asked += 1), made);
    const sent = Array.from({ length: 200 }, () =>
      limit(someone({})).then(
        () => "passed",
        () => "refused",
      ),
    );
    const passed = (await Promise.all(sent)).filter((answer) => answer === "passed").length;
    expect(passed).toBeLessThan(100);
    expect(asked).toBe(passed);
    for (let at = 0; at < 200; at += 1) await limit(someone({ kind: "tenant-key", id: "key:k1" }));
    expect(asked).toBe(passed + 200);
  });
});
