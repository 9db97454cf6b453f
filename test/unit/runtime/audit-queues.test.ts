import { describe, expect, it } from "vitest";
import type { RawAuditEvent } from "../../../src/api/audit.ts";
import { type AuditQueueEnv, auditQueuesOf, sendAuditEvents } from "../../../src/telemetry/audit-queues.ts";
import { standIn } from "./stand-in.ts";

function queues(count: number) {
  const sent: { v: number; events: readonly RawAuditEvent[] }[][] = Array.from({ length: count }, () => []);
  const bindings = sent.map((messages, at) => [
    at === 0 ? "AUDIT_QUEUE" : `AUDIT_QUEUE_${at + 1}`,
    { send: async (message: (typeof messages)[number]) => void messages.push(message) },
  ]);
  return { env: standIn<AuditQueueEnv>(Object.fromEntries(bindings)), sent };
}

const eventOf = (tenant: string | null, id: string) => standIn<RawAuditEvent>({ tenant, id });
const TENANTS = Array.from({ length: 20 }, (_, at) => `tenant-${at}`);
const EVENTS = [...TENANTS, ...TENANTS].map((tenant, at) => eventOf(tenant, `e${at}`));

describe("audit events", () => {
  it("go to the only queue in one message, also those of no tenant", async () => {
    const { env, sent } = queues(1);
    const events = [...EVENTS, eventOf(null, "of no tenant")];
    await sendAuditEvents(env, events);
    expect(sent).toEqual([[{ v: 1, events }]]);
  });

  it("of two queues go to that of their tenant, each once", async () => {
    const { env, sent } = queues(2);
    await sendAuditEvents(env, EVENTS);
    expect(sent.map((messages) => messages.length)).toEqual([1, 1]);
    const [one = [], other = []] = sent.map(([message]) => message?.events ?? []);
    const tenantsOf = (events: readonly RawAuditEvent[]) => new Set(events.map(({ tenant }) => tenant));
    expect(tenantsOf(one).size + tenantsOf(other).size).toBe(TENANTS.length);
    expect([...one, ...other].map(({ id }) => id).toSorted()).toEqual(EVENTS.map(({ id }) => id).toSorted());
    expect(Math.min(tenantsOf(one).size, tenantsOf(other).size)).toBeGreaterThan(5);
  });

  it("are reported as not sent if one of the queues refuses them", async () => {
    const { env, sent } = queues(2);
    Object.assign(env, { AUDIT_QUEUE_2: { send: () => Promise.reject(new Error("the queue is busy")) } });
    await expect(sendAuditEvents(env, EVENTS)).rejects.toThrow("the queue is busy");
    expect(sent[0]).toHaveLength(1);
  });
});

it("a queue after a missing number is not used", () => {
  const { env } = queues(4);
  Reflect.deleteProperty(env, "AUDIT_QUEUE_3");
  expect(auditQueuesOf(env)).toHaveLength(2);
});
