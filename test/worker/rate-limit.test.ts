import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createAdmission, createRequestLimit } from "../../src/access/rate-limit.ts";
import { createSessionClient } from "../../src/session/client.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { appWith } from "../support/worker-app.ts";

/** More than two periods' worth, because a period that ends meanwhile lets as many pass again. */
const FLOOD = 250;

/** The HTTP surface with the limiters of wrangler.toml. */
function appWithLimits() {
  const limiters = { user: env.RATE_LIMIT_USER, key: env.RATE_LIMIT_KEY, tenant: env.RATE_LIMIT_TENANT };
  return appWith({ limit: createRequestLimit(createAdmission(limiters, createLog({ write: () => undefined }))) });
}

describe("a flood of one user's requests", () => {
  it("is refused with 429 and when to try again, writes nothing, and another user's request is not affected", async () => {
    const app = appWithLimits();
    const [mallory, ada] = [crypto.randomUUID(), crypto.randomUUID()];
    const send = (user: string, session: string) =>
      app.request(`http://threadkeep.test/v1/sessions/${session}/messages`, {
        method: "POST",
        headers: { Authorization: user, "Content-Type": "application/json" },
        body: JSON.stringify({ messages: [{ role: "user", content: "Hello." }] }),
      });
    const answers = await Promise.all(Array.from({ length: FLOOD }, () => send(mallory, "flood")));
    const stored = answers.filter(({ status }) => status === 201);
    const refused = answers.filter(({ status }) => status === 429);
    expect(stored.length).toBeGreaterThanOrEqual(100);
    expect(refused).toHaveLength(FLOOD - stored.length);
    expect(refused.length).toBeGreaterThan(0);
    const [first] = refused;
    expect(first?.headers.get("Retry-After")).toBe("10");
    expect(await first?.json()).toMatchObject({ status: 429, code: "rate_limited" });
    expect((await send(ada, "calm")).status).toBe(201);
    const session = createSessionClient(env.CHAT_SESSION).get({ tenant: "test", owner: mallory, session: "flood" });
    expect(await session.state()).toMatchObject({ ok: true, value: { headSeq: stored.length } });
  });

  it("is still answered for OPTIONS, which needs no credentials", async () => {
    const answer = await appWithLimits().request("http://threadkeep.test/v1/sessions", { method: "OPTIONS" });
    expect(answer.status).toBe(204);
  });
});
