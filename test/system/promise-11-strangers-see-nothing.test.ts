import { beforeAll, describe, expect, it } from "vitest";
import { type Answer, call, type CallOptions, sharedService } from "../support/service.ts";

const service = sharedService();

/** The fields of the document that are read here. */
interface Operation {
  readonly operationId: string;
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly example?: unknown }>> };
}
interface Offer {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

const METHODS = new Set(["get", "post", "put", "patch", "delete"]);
let offers: Offer[] = [];

beforeAll(async () => {
  const { body } = await call<{ paths: Record<string, Record<string, Operation>> }>(service, "GET", "/openapi.json", {
    key: null,
  });
  offers = Object.entries(body.paths)
    .filter(([path]) => path.startsWith("/v1/"))
    .flatMap(([path, operations]) =>
      Object.entries(operations)
        .filter(([method]) => METHODS.has(method))
        .map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
    );
});

/** A request as the document shows it, for a given session id. */
function ask({ method, path, operation }: Offer, session: string, options: CallOptions = {}): Promise<Answer<unknown>> {
  const [type, media] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const isLines = type === "application/x-ndjson";
  const example = isLines ? `${JSON.stringify(media?.example)}\n` : media?.example;
  return call(
    service,
    method,
    path
      .replace("{sessionId}", session)
      .replace("{messageId}", "m-1")
      .replace("{version}", "1")
      .replace("{tenant}", "acme")
      .replace("{keyId}", "7Qm2xVb9LcTa")
      .replace("{runId}", "run-1")
      .replace("{jobId}", method === "DELETE" ? "of-nobody?reason=tried" : "of-nobody"),
    {
      ...(example === undefined ? {} : { body: example }),
      ...options,
      headers: { ...(isLines ? { "content-type": type } : {}), ...options.headers },
    },
  );
}

const as = (user: string): CallOptions => ({ headers: { "threadkeep-user": user } });

/** The answer without what differs in each request: ids, times and the request's id. */
function alike(answer: Answer<unknown>, session: string): unknown {
  const text = answer.text
    .replaceAll(session, "SESSION")
    .replaceAll(/"requestId":"[^"]*"/g, '"requestId":""')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replaceAll(/"id":"[0-9A-HJKMNP-TV-Z]{26}"/g, '"id":"ULID"');
  const headers = Object.fromEntries(
    [...answer.headers].filter(
      ([name]) => !["date", "x-request-id", "request-id", "content-length", "etag"].includes(name),
    ),
  );
  return { status: answer.status, text, headers };
}

async function chatOfAda(): Promise<string> {
  const id = `ada-${crypto.randomUUID()}`;
  const messages = Array.from({ length: 8 }, (_, index) => ({
    id: `m-${index + 1}`,
    role: "user",
    content: `My diary, page ${index + 1}.`,
  }));
  await call(service, "POST", `/v1/sessions/${id}/messages`, { body: { messages }, ...as("ada") });
  await call(service, "POST", `/v1/sessions/${id}/summarize`, {
    body: { keepRecentTokens: 0, waitMs: 10_000 },
    ...as("ada"),
  });
  return id;
}

async function exportOfAda(id: string): Promise<string> {
  return (await call(service, "GET", `/v1/sessions/${id}/export`, as("ada"))).text;
}

async function listOf(user: string): Promise<string[]> {
  const { body } = await call<{ data: { id: string }[] }>(service, "GET", "/v1/sessions?limit=100", as(user));
  return body.data.map(({ id }) => id);
}

describe("promise 11: strangers see nothing", () => {
  it("lets nobody continue from another user's session, take over its id, or import over it", async () => {
    const id = await chatOfAda();
    const before = await exportOfAda(id);
    const unknown = `ada-${crypto.randomUUID()}`;
    const refused = await call(service, "POST", "/v1/sessions", { body: { continueFrom: id }, ...as("mallory") });
    const nowhere = await call(service, "POST", "/v1/sessions", { body: { continueFrom: unknown }, ...as("mallory") });
    expect(alike(refused, id)).toEqual(alike(nowhere, unknown));
    expect(refused.status).toBe(404);
    const own = await call(service, "POST", "/v1/sessions", { body: { id }, ...as("mallory") });
    expect(own).toMatchObject({ status: 201, body: { id, headSeq: 0 } });
    expect(await call(service, "DELETE", `/v1/sessions/${id}`, as("mallory"))).toMatchObject({ status: 202 });
    const file = before.replace("My diary, page 1.", "Not your diary.");
    const headers = { "content-type": "application/x-ndjson", "threadkeep-user": "mallory" };
    expect(await call(service, "POST", "/v1/import", { body: file, headers })).toMatchObject({ status: 201 });
    expect(await exportOfAda(id)).toBe(before);
    expect(await listOf("ada")).toContain(id);
  });

  it("keeps the tenant's own sessions apart from a user's, whatever the user's id is", async () => {
    const id = await chatOfAda();
    expect((await call(service, "GET", `/v1/sessions/${id}`)).status).toBe(404);
    for (const user of ["-", "ada/..", "../ada", "ada%2F", "", " ada", "ada\u00e9"]) {
      const answer = await fetch(`${service.url}/v1/sessions/${id}`, {
        headers: { authorization: `Bearer ${service.apiKey}`, "threadkeep-user": user },
      });
      expect([404, 422], user).toContain(user.trim() === "ada" ? 404 : answer.status);
    }
  });

  it("answers every operation with 401 without a key and with a wrong one, and operators' operations with 403 for a tenant's key", async () => {
    expect(offers.length).toBeGreaterThan(20);
    const wrong = [null, "", "wrong", `${service.apiKey}x`, service.apiKey.slice(0, -1), service.apiKey.toUpperCase()];
    for (const offer of offers) {
      const name = `${offer.method} ${offer.path}`;
      for (const key of wrong) {
        const { status, body } = await ask(offer, "any", { key });
        expect({ status, code: Object(body)["code"] }, `${name} with ${key}`).toEqual({
          status: 401,
          code: "unauthenticated",
        });
      }
      if (!offer.path.startsWith("/v1/admin/")) continue;
      expect(await ask(offer, "any"), name).toMatchObject({ status: 403, body: { code: "forbidden" } });
    }
    expect(offers.filter(({ path }) => path.startsWith("/v1/admin/")).length).toBeGreaterThan(1);
  }, 60_000);
});
