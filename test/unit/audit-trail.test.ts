import { describe, expect, it } from "vitest";
import { auditMessageSchema, type RawAuditEvent } from "../../src/api/audit.ts";
import {
  type Audited,
  COUNT_MS,
  createAuditTrail,
  MAX_COUNTED,
  MAX_EVENTS_PER_MESSAGE,
  SOON_MS,
} from "../../src/telemetry/audit.ts";
import { coarseNetwork } from "../../src/telemetry/coarse-network.ts";
import { createLog } from "../../src/telemetry/log.ts";

const START = Date.UTC(2026, 10, 22, 12);

const WRITE: Audited = {
  tenant: "acme",
  owner: "ada",
  actor: { kind: "tenant-key", id: "key:7Qm2xVb9LcTa" },
  session: "trip",
  action: "editMessage",
  result: "ok",
  requestId: "request-1",
  from: "198.51.100.0/24",
};
const REFUSAL: Audited = { ...WRITE, action: "eraseSession", result: "forbidden" };

/** A trail whose clock the test moves, and a queue that fails as often as the test says. */
function trailOf({ failures = 0, isCutOff = (): boolean => false } = {}) {
  const messages: RawAuditEvent[][] = [];
  const lines: string[] = [];
  const waiting: { at: number; resolve: () => void }[] = [];
  let clock = START;
  let left = failures;
  const trail = createAuditTrail({
    send: async (events) => {
      left -= 1;
      if (left >= 0) throw new Error("the queue is busy");
      messages.push([...events]);
    },
    keepAlive: () => undefined,
    log: createLog({ write: (_level, line) => lines.push(line) }),
    now: () => clock,
    wait: (ms) =>
      new Promise((resolve) => {
        if (!isCutOff()) waiting.push({ at: clock + ms, resolve });
      }),
  });
  const pass = async (ms: number): Promise<void> => {
    const until = clock + ms;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const next = waiting.toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > until) break;
      waiting.splice(waiting.indexOf(next), 1);
      clock = next.at;
      next.resolve();
    }
    clock = until;
  };
  return { trail, messages, lines, pass, events: () => messages.flat() };
}

describe("an event", () => {
  it("is sent in one message with those of concurrent requests, and has an id of its own", async () => {
    const { trail, messages, pass } = trailOf();
    for (let at = 0; at < 10; at += 1) trail.record(WRITE, { seq: at + 1 });
    await pass(100);
    expect(messages.map((events) => events.length)).toEqual([10]);
    expect(new Set(messages.flat().map(({ id }) => id)).size).toBe(10);
    expect(messages[0]?.[3]).toMatchObject({ ...WRITE, at: new Date(START).toISOString(), details: { seq: 4 } });
  });

  it("is sent in a further message if one would be too large for the queue", async () => {
    const { trail, messages, pass } = trailOf();
    const huge = { ...WRITE, session: "s".repeat(128), owner: "o".repeat(128), requestId: "r".repeat(128) };
    for (let at = 0; at < 2 * MAX_EVENTS_PER_MESSAGE + 1; at += 1) trail.record(huge, {});
    await pass(100);
    expect(messages.map((events) => events.length)).toEqual([MAX_EVENTS_PER_MESSAGE, MAX_EVENTS_PER_MESSAGE, 1]);
    for (const events of messages) expect(JSON.stringify({ v: 1, events }).length).toBeLessThan(64 * 1024);
  });

  it("is sent again if the queue is busy", async () => {
    const { trail, events, lines, pass } = trailOf({ failures: 1 });
    trail.record(WRITE, {});
    await pass(5_000);
    expect(events()).toHaveLength(1);
    expect(lines).toEqual([]);
  });

  it("is logged without a name if the queue stays unavailable", async () => {
    const { trail, events, lines, pass } = trailOf({ failures: 2 });
    trail.record(WRITE, {});
    await pass(5_000);
    expect(events()).toEqual([]);
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ event: "audit_lost", events: 1, requestId: "request-1" });
    expect(lines[0]).not.toMatch(/ada|trip/);
  });

  it("is sent although a request before it was cut off with unsent events", async () => {
    let isCutOff = true;
    const { trail, events, pass } = trailOf({ isCutOff: () => isCutOff });
    trail.record(WRITE, { seq: 1 });
    isCutOff = false;
    await pass(10_000);
    trail.record(WRITE, { seq: 2 });
    await pass(100);
    expect(events().map(({ details }) => details.seq)).toEqual([2]);
  });
});

describe("a refusal", () => {
  it("is one event with others of its kind, with the first and the last moment", async () => {
    const { trail, events, pass } = trailOf();
    for (let at = 0; at < 2_000; at += 1) {
      trail.refuse(REFUSAL);
      await pass(1);
    }
    await pass(SOON_MS);
    expect(events()).toHaveLength(1);
    expect(events()[0]).toMatchObject({
      ...REFUSAL,
      at: new Date(START).toISOString(),
      details: { count: 2_000, lastAt: new Date(START + 1_999).toISOString() },
    });
  });

  it("causes fewer than three events a minute, however long refusals continue", async () => {
    const { trail, events, pass } = trailOf();
    for (let second = 0; second < 600; second += 1) {
      trail.refuse(REFUSAL);
      await pass(1_000);
    }
    await pass(COUNT_MS);
    expect(events().length).toBeLessThan(30);
    expect(events().reduce((sum, { details }) => sum + (details.count ?? 0), 0)).toBe(600);
  });

  it("is counted by principal, operation and result, and names a session and a network only if all had the same", async () => {
    const { trail, events, pass } = trailOf();
    trail.refuse(REFUSAL);
    trail.refuse({ ...REFUSAL, session: "another", from: "203.0.113.0/24" });
    trail.refuse({ ...REFUSAL, owner: "bob" });
    trail.refuse({ ...REFUSAL, action: "editMessage" });
    trail.refuse({ ...REFUSAL, result: "session_not_found" });
    trail.refuse({ ...REFUSAL, actor: { kind: "admin", id: "admin" } });
    await pass(SOON_MS);
    expect(events().map(({ details }) => details.count)).toEqual([2, 1, 1, 1, 1]);
    expect(events()[0]).toMatchObject({ session: null, from: null });
    expect(events()[1]).toMatchObject({ session: "trip", from: "198.51.100.0/24" });
  });

  it("with one of too many names is counted with all others, so that a flood of names causes no flood of events", async () => {
    const { trail, events, pass } = trailOf();
    for (let at = 0; at < 10_000; at += 1) trail.refuse({ ...REFUSAL, owner: `user-${at}` });
    await pass(SOON_MS);
    expect(events()).toHaveLength(MAX_COUNTED + 1);
    expect(events().at(-1)).toMatchObject({ tenant: null, owner: "-", actor: { kind: "many" }, session: null });
    expect(events().at(-1)?.details.count).toBe(10_000 - MAX_COUNTED);
  });

  it("is reported with the next one if the request that should have reported it was cut off", async () => {
    let isCutOff = true;
    const { trail, events, pass } = trailOf({ isCutOff: () => isCutOff });
    trail.refuse(REFUSAL);
    isCutOff = false;
    await pass(60_000);
    trail.refuse(REFUSAL);
    await pass(COUNT_MS);
    expect(events().map(({ details }) => details.count)).toEqual([2]);
  });

  it("is read by the consumer as it was sent", async () => {
    const { trail, events, pass } = trailOf();
    trail.refuse(REFUSAL);
    trail.record(WRITE, { seq: 4, created: true, keyId: "7Qm2xVb9LcTa" });
    await pass(SOON_MS);
    expect(auditMessageSchema.parse({ v: 1, events: events() }).events).toEqual(events());
  });
});

describe("the network of a caller", () => {
  it.each([
    ["198.51.100.77", "198.51.100.0/24"],
    ["::ffff:198.51.100.77", "198.51.100.0/24"],
    ["::ffff:c633:644d", "198.51.100.0/24"],
    ["0000:0000:0000:0000:0000:FFFF:198.51.100.77", "198.51.100.0/24"],
    ["64:ff9b::198.51.100.77", "64:ff9b:0::/48"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"],
    ["2001:0DB8:0001::6", "2001:db8:1::/48"],
    ["2001:db8::1", "2001:db8:0::/48"],
    ["::1", "0:0:0::/48"],
  ])("keeps of %s no more than %s", (address, network) => {
    expect(coarseNetwork(address)).toBe(network);
  });

  it.each([
    null,
    undefined,
    "",
    "localhost",
    "1.2.3",
    "1.2.3.256",
    "1:2:3",
    "1::2::3",
    "2001:db8:zz::1",
    "1:2:3:4:5:6:7:8:9",
    "1.2.3.4::",
    "::1.2.3",
    "::1.2.3.256",
    "1:2:3:4:5:6:7:1.2.3.4",
    "fe80::1%eth0",
    ":::",
    "1:2:3:4:5:6:7:8::",
  ])("keeps nothing of %s, which is not an address", (address) => {
    expect(coarseNetwork(address)).toBeNull();
  });
});
