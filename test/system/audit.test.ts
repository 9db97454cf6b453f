import { describe, expect, it } from "vitest";
import type { AuditEvent } from "../../src/api/audit.ts";
import type { Page } from "../../src/api/page.ts";
import { call, eventually, sharedService } from "../support/service.ts";

const service = sharedService();
const FLOOD = 2_000;
const AT_ONCE = 20;

async function audit(filter: Record<string, string>): Promise<AuditEvent[]> {
  const query = new URLSearchParams({ limit: "100", ...filter });
  const answer = await call<Page<AuditEvent>>(service, "GET", `/v1/admin/audit?${query}`, { key: service.adminKey });
  expect(answer.status, answer.text).toBe(200);
  return answer.body.data;
}

describe("the audit of a running service", () => {
  it("records who did what when several callers use sessions of the same name, and keeps them apart", async () => {
    const id = `shared-${crypto.randomUUID()}`;
    const users = [crypto.randomUUID(), crypto.randomUUID()];
    for (const user of users) {
      const headers = { "Threadkeep-User": user };
      await call(service, "POST", "/v1/sessions", { headers, body: { id } });
    }
    await call(service, "POST", "/v1/sessions", { key: service.adminKey, body: { id } });
    const events = await eventually("three events", async () => {
      const found = await audit({ session: id });
      return found.length === 3 ? found : undefined;
    });
    expect(new Set(events.map(({ actor }) => actor.id))).toEqual(new Set(["deployment-key", "admin"]));
    expect(new Set(events.map(({ user }) => user)).size).toBe(3);
    const tenant = events[0]?.tenant ?? "";
    for (const user of users) expect(await audit({ tenant, user })).toHaveLength(1);
    expect(JSON.stringify(events)).not.toMatch(new RegExp(users.join("|")));
  });

  it(`records ${FLOOD} refusals in a handful of events, and misses none`, async () => {
    const id = `guessed-${crypto.randomUUID()}`;
    // A user of this test, because refusals are counted by caller, and other tests are refused with the same key meanwhile.
    const headers = { "Threadkeep-User": crypto.randomUUID() };
    for (let sent = 0; sent < FLOOD; sent += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, () => call(service, "GET", `/v1/sessions/${id}`, { headers })));
    }
    const events = await eventually(
      "all refusals are told",
      async () => {
        const found = await audit({ session: id, result: "session_not_found" });
        const count = found.reduce((sum, { details }) => sum + Number(details["count"]), 0);
        return count === FLOOD ? found : undefined;
      },
      75_000,
    );
    expect(events.length).toBeLessThanOrEqual(5);
    expect(events[0]).toMatchObject({ action: "readSession", actor: { id: "deployment-key" }, session: id });
  }, 240_000);
});
