import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { Page } from "../../src/api/page.ts";
import { createOwnersClient } from "../../src/directory/owners-client.ts";
import { send, sendAsAdmin } from "../support/worker-http.ts";
import { freshTenant } from "../support/worker-user.ts";

const owners = createOwnersClient(env.OWNERS);

async function tenantOf(...users: readonly string[]): Promise<string> {
  const tenant = freshTenant();
  for (const user of users) await owners.note(tenant, user, crypto.randomUUID());
  return tenant;
}

type Users = Page<{ userId: string }>;

async function list(tenant: string, query: Readonly<Record<string, string>> = {}): Promise<Users> {
  const answer = await sendAsAdmin<Users>("GET", `/v1/admin/tenants/${tenant}/users?${new URLSearchParams(query)}`);
  expect(answer.status).toBe(200);
  return answer.body;
}

const namesOf = ({ data }: Users): string[] => data.map(({ userId }) => userId);

describe("the users of a tenant", () => {
  it("are listed newest first, page by page, without the tenant itself, and are none if there are none", async () => {
    const tenant = await tenantOf("ada", "-", "bob", "Adam", "eve");
    const first = await list(tenant, { limit: "2" });
    expect(first).toMatchObject({ data: [{ userId: "eve" }, { userId: "Adam" }], hasMore: true });
    const second = await list(tenant, { limit: "2", cursor: first.nextCursor ?? "" });
    expect(second).toMatchObject({ data: [{ userId: "bob" }, { userId: "ada" }], hasMore: false, nextCursor: null });
    expect(await list(freshTenant())).toEqual({ data: [], hasMore: false, nextCursor: null });
  });

  it("are found by how their ids begin, in any case; % and _ are ordinary characters", async () => {
    const tenant = await tenantOf("ada", "bob", "Adam", "a_b", "100%");
    expect(namesOf(await list(tenant, { prefix: "AD" }))).toEqual(["Adam", "ada"]);
    expect(namesOf(await list(tenant, { prefix: "a_" }))).toEqual(["a_b"]);
    expect(namesOf(await list(tenant, { prefix: "%" }))).toEqual([]);
  });

  it("are searched a limited number of rows at a time, and none is skipped", async () => {
    const tenant = await tenantOf("first");
    await runInDurableObject(env.OWNERS.getByName(tenant), (_, { storage }) => {
      storage.sql.exec(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001) INSERT INTO owners (token, owner) SELECT 't' || i, 'u' || i FROM n",
      );
    });
    const page = await list(tenant, { prefix: "f" });
    expect(page).toMatchObject({ data: [], hasMore: true });
    expect(namesOf(await list(tenant, { prefix: "f", cursor: page.nextCursor ?? "" }))).toEqual(["first"]);
  });

  it("are listed only for the admin key, and invalid cursors are refused", async () => {
    const tenant = await tenantOf("ada");
    const path = `/v1/admin/tenants/${tenant}/users`;
    expect((await send("GET", path)).status).toBe(403);
    expect((await sendAsAdmin("GET", `${path}?cursor=bm9uZQ`)).status).toBe(422);
  });
});
