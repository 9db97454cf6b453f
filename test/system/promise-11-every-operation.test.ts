import { createHmac, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { signUserToken } from "../../scripts/dev/issuer.ts";
import { LOCAL_TENANT } from "../../scripts/dev/keys.ts";
import { statePaths } from "../../scripts/dev/paths.ts";
import type { SessionState } from "../../src/api/session.ts";
import type { OpenApiDocument } from "../../tools/fuzz-api/document.ts";
import { type RawAnswer, sendRaw } from "../../tools/fuzz-api/raw-http.ts";
import { listOperations, type Offered, scopesOf, soundRequest } from "../../tools/fuzz-api/sound-request.ts";
import { emptyTransfer } from "../support/empty-transfer.ts";
import { call, eventually, sharedService } from "../support/service.ts";

const service = sharedService();
const { issuerKey } = statePaths(service.stateDir);

/** These need no key, so nobody can be the wrong caller: they describe the service and no tenant. */
const OPEN_TO_ALL = new Set(["liveness", "readiness"]);

/** These are about the caller's own data, whoever calls: they are answered, and contain nothing of others. */
const OF_THE_CALLER: Readonly<Record<string, number>> = {
  appendMessages: 201,
  beginImport: 202,
  createSession: 201,
  importSession: 201,
  listSessions: 200,
  searchMemory: 200,
};

/** These are about a user, or about the whole tenant of the caller. Other callers are tried separately. */
const BY_ITSELF = new Set(["exportUser", "eraseUser", "readUserErasure", "readAudit", "readMetrics"]);

const KEY_SCOPES = ["memory:read", "memory:write", "memory:erase", "ops", "summarizer"];
/** The id of a failed job that does not exist. */
const JOB = { jobId: "of-nobody", reason: "tried" };
const ADMIN = { key: service.adminKey };

interface Caller {
  readonly headers: Readonly<Record<string, string>>;
  /** The query string. */
  readonly query?: string;
}

const bearer = (key: string, user?: string): Caller => ({
  headers: { Authorization: `Bearer ${key}`, ...(user === undefined ? {} : { "Threadkeep-User": user }) },
});

async function makeKey(tenant: string, scopes: readonly string[] = KEY_SCOPES): Promise<{ id: string; key: string }> {
  const body = { name: "matrix", scopes };
  const made = await call<{ id: string; key: string }>(service, "POST", `/v1/admin/tenants/${tenant}/keys`, {
    ...ADMIN,
    body,
  });
  expect(made.status).toBe(201);
  return made.body;
}

async function makeTenant(): Promise<string> {
  const tenant = `matrix-${crypto.randomUUID()}`;
  expect(await call(service, "POST", "/v1/admin/tenants", { ...ADMIN, body: { tenant } })).toMatchObject({
    status: 201,
  });
  return tenant;
}

/** A token with any claims, signed without the issuer's private key. */
function forgeToken(alg: string, token: string, sign: (text: string) => string): string {
  const [, claims = ""] = token.split(".");
  const { kid } = JSON.parse(readFileSync(issuerKey, "utf8"));
  const text = `${Buffer.from(JSON.stringify({ alg, kid, typ: "JWT" })).toString("base64url")}.${claims}`;
  return `${text}.${sign(text)}`;
}

function publicKeyAsSecret(): string {
  const { kty, crv, x, y } = JSON.parse(readFileSync(issuerKey, "utf8"));
  return String(createPublicKey({ key: { kty, crv, x, y }, format: "jwk" }).export({ type: "spki", format: "pem" }));
}

const victim = `ada-${crypto.randomUUID()}`;
let offers: Offered[] = [];
/** A tenant that only the operator uses, and a key of it. */
let vault = { tenant: "", keyId: "" };

beforeAll(async () => {
  const { body } = await call<OpenApiDocument>(service, "GET", "/openapi.json", { key: null });
  offers = listOperations(body);
  const tenant = await makeTenant();
  vault = { tenant, keyId: (await makeKey(tenant)).id };
});

const AS_VICTIM = { headers: { "threadkeep-user": victim } };

async function chatOfVictim(): Promise<string> {
  const id = `diary-${crypto.randomUUID()}`;
  const messages = Array.from({ length: 8 }, (_, at) => ({
    id: `m-${at + 1}`,
    role: "user",
    content: `My diary, page ${at + 1}.`,
  }));
  const appended = await call(service, "POST", `/v1/sessions/${id}/messages`, { body: { messages }, ...AS_VICTIM });
  expect(appended.status).toBe(201);
  return id;
}

/** A summarized session without pending work, which could change what is compared. */
async function settledChat(): Promise<string> {
  const id = await chatOfVictim();
  const summarize = { body: { keepRecentTokens: 0, waitMs: 10_000 }, ...AS_VICTIM };
  expect((await call(service, "POST", `/v1/sessions/${id}/summarize`, summarize)).status).toBe(202);
  await eventually("the diary is summarized and archived", async () => {
    const { body } = await call<SessionState>(service, "GET", `/v1/sessions/${id}`, AS_VICTIM);
    return (body.summary !== null && body.archived && !body.summaryPending) || undefined;
  });
  return id;
}

/** Everything that a wrong caller might have changed, as the right callers see it. */
async function snapshot(session: string): Promise<Record<string, string>> {
  const asked: [string, object][] = [
    [`/v1/sessions/${session}`, AS_VICTIM],
    [`/v1/sessions/${session}/export`, AS_VICTIM],
    ["/v1/sessions?limit=100", AS_VICTIM],
    [`/v1/admin/tenants/${vault.tenant}`, ADMIN],
    [`/v1/admin/tenants/${vault.tenant}/keys`, ADMIN],
  ];
  const answers = await Promise.all(asked.map(([path, options]) => call(service, "GET", path, options)));
  return Object.fromEntries(answers.map(({ text }, at) => [asked[at]?.[0], text]));
}

/** Values that replace those of an operation's example, so that the request would really do something. */
function bodyOf(operationId: string, session: string): string | undefined {
  switch (operationId) {
    case "appendMessages":
      return JSON.stringify({ messages: [{ id: "m-1", role: "user", content: "Not the same." }] });
    case "createSession":
      return JSON.stringify({ id: session });
    case "createTenant":
      return JSON.stringify({ tenant: `of-nobody-${session.slice(-36)}` });
    case "importSession":
      return emptyTransfer(session);
    case "beginImport":
      return JSON.stringify({ id: "an-import", session: JSON.parse(emptyTransfer(session).split("\n")[0] ?? "") });
    default:
      return undefined;
  }
}

/** The feed is requested in each way in which it is offered. */
function waysOf({ operation }: Offered): Record<string, string>[] {
  if (operation.operationId !== "followSession") return [{}];
  const upgrade = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13" };
  return [{}, { Accept: "text/event-stream" }, { ...upgrade, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==" }];
}

async function ask(
  offer: Offered,
  session: string,
  { headers, query = "" }: Caller,
  way: Record<string, string> = {},
): Promise<RawAnswer> {
  const values = {
    sessionId: session,
    messageId: "m-1",
    version: "1",
    userId: "nobody-known",
    importId: "an-import",
    afterLine: "1",
    runId: "run-1",
    ...JOB,
    ...vault,
  };
  const request = soundRequest(offer, values);
  const body = bodyOf(offer.operation.operationId, session) ?? request.body;
  const answer = await sendRaw(service.url, {
    method: request.method,
    path: request.path + (request.path.includes("?") ? query.replace("?", "&") : query),
    headers: Object.entries({ ...request.headers, ...headers, ...way }),
    ...(body === undefined ? {} : { body: Buffer.from(body) }),
  });
  if (answer === null) throw new Error(`${offer.method} ${offer.path} was not answered`);
  return answer;
}

const codeOf = ({ text }: RawAnswer): unknown => JSON.parse(text).code;

/** The answer without what differs in each request: ids, times and the request's id. */
function alike({ status, headers, text }: RawAnswer, session: string): unknown {
  const { date: _date, "x-request-id": _id, "content-length": _length, etag: _etag, ...rest } = headers;
  return {
    status,
    headers: rest,
    text: text
      .replaceAll(session, "SESSION")
      .replaceAll(/"requestId":"[^"]*"/g, '"requestId":""')
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
      .replaceAll(/"id":"[0-9A-HJKMNP-TV-Z]{26}"/g, '"id":"ULID"'),
  };
}

const nameOf = ({ operation: { operationId } }: Offered, way: object): string =>
  [operationId, ...Object.keys(way).slice(-1)].join(" ");

const withKey = (): Offered[] => offers.filter(({ operation }) => !OPEN_TO_ALL.has(operation.operationId));
const isAdmin = ({ operation }: Offered): boolean => scopesOf(operation)?.includes("admin") === true;

describe("promise 11, for each operation of the OpenAPI document", () => {
  it("names a scope for each operation that is not open to all, and none for the open ones", () => {
    expect(withKey().length).toBeGreaterThan(30);
    for (const { operation } of offers) {
      const scopes = scopesOf(operation);
      if (OPEN_TO_ALL.has(operation.operationId)) expect(scopes, operation.operationId).toBeNull();
      else expect(scopes, operation.operationId).toContainEqual(expect.stringMatching(/^(memory:\w+|ops|admin)$/));
    }
  });

  it("knows what a stranger gets from each: a new operation that is not about a session has to be listed here", () => {
    const placed = (offer: Offered): boolean =>
      isAdmin(offer) ||
      offer.operation.operationId in OF_THE_CALLER ||
      BY_ITSELF.has(offer.operation.operationId) ||
      offer.path.includes("{sessionId}");
    expect(withKey().filter((offer) => !placed(offer))).toEqual([]);
  });

  it("refuses a caller without valid credentials with 401, and changes nothing", async () => {
    const tenant = await makeTenant();
    const revoked = await makeKey(tenant);
    const revoke = await call(service, "DELETE", `/v1/admin/tenants/${tenant}/keys/${revoked.id}`, ADMIN);
    expect(revoke.status).toBe(200);
    const good = await signUserToken(issuerKey, { user: victim });
    const secret = publicKeyAsSecret();
    const own = await chatOfVictim();
    const { ticket } = (await call<{ ticket: string }>(service, "POST", `/v1/sessions/${own}/tickets`, AS_VICTIM)).body;
    const nobodies: Record<string, Caller> = {
      "without a key": { headers: {} },
      "with a malformed key": bearer(`tk_${LOCAL_TENANT}_x`, victim),
      "with a key whose secret is wrong": bearer(`${revoked.key.slice(0, -7)}0000000`, victim),
      "with a revoked key": bearer(revoked.key, victim),
      "with an expired token": bearer(await signUserToken(issuerKey, { user: victim, expiresInSeconds: -3_600 })),
      "with a token for another audience": bearer(
        await signUserToken(issuerKey, { user: victim, claims: { aud: "other" } }),
      ),
      "with a token under alg none": bearer(forgeToken("none", good, () => "e30")),
      "with a token under no signature": bearer(forgeToken("none", good, () => "")),
      "with a token under the public key as a secret": bearer(
        forgeToken("HS256", good, (text) => createHmac("sha256", secret).update(text).digest("base64url")),
      ),
      "with a ticket of another session": { headers: {}, query: `?ticket=${ticket}` },
    };
    const session = await settledChat();
    const before = await snapshot(session);
    expect(Object.values(before).join()).toContain("My diary, page 8.");
    for (const offer of withKey()) {
      for (const way of waysOf(offer)) {
        for (const [who, caller] of Object.entries(nobodies)) {
          const answer = await ask(offer, session, caller, way);
          const told = { status: answer.status, code: codeOf(answer) };
          expect(told, `${nameOf(offer, way)} ${who}`).toEqual({ status: 401, code: "unauthenticated" });
          expect(answer.text).not.toContain(caller.headers["Authorization"]?.slice(7) ?? ticket);
        }
      }
    }
    expect(await snapshot(session)).toEqual(before);
  });

  it("answers another tenant and another user as if the session did not exist, and changes nothing", async () => {
    const other = await makeKey(await makeTenant());
    const strangers: Record<string, (user: string) => Promise<Caller>> = {
      "another tenant, as a user of the same name": async () => bearer(other.key, victim),
      "another user, by the tenant's key": async (user) => bearer(service.apiKey, user),
      "another user, by a token": async (user) => bearer(await signUserToken(issuerKey, { user })),
    };
    const session = await settledChat();
    const before = await snapshot(session);
    for (const offer of withKey()) {
      const { operationId } = offer.operation;
      if (BY_ITSELF.has(operationId)) continue;
      for (const way of waysOf(offer)) {
        for (const [who, become] of Object.entries(strangers)) {
          const name = `${nameOf(offer, way)} by ${who}`;
          const caller = await become(`mallory-${crypto.randomUUID()}`);
          const unknown = `diary-${crypto.randomUUID()}`;
          const there = await ask(offer, session, caller, way);
          expect(alike(there, session), name).toEqual(alike(await ask(offer, unknown, caller, way), unknown));
          expect(there.text, name).not.toContain("diary, page");
          const status = isAdmin(offer) ? 403 : (OF_THE_CALLER[operationId] ?? 404);
          expect(there.status, name).toBe(status);
          if (status >= 400) expect(codeOf(there), name).toBe(status === 403 ? "forbidden" : "session_not_found");
          const listed = await call(service, "GET", "/v1/sessions?limit=100", { key: null, ...caller });
          expect(listed.text.includes(session), name).toBe(status === 201);
          // Otherwise the stranger's own session with this id would exist when the next operation is called.
          if (status === 201 || status === 202) await ask(eraseSession(), session, caller);
        }
      }
    }
    expect(await snapshot(session)).toEqual(before);
    const nobody = `/v1/admin/tenants/of-nobody-${session.slice(-36)}`;
    expect(await call(service, "GET", nobody, ADMIN)).toMatchObject({ body: { createdAt: null, rev: 0 } });
  }, 240_000);

  it("tells another user, and another tenant, nothing about a user, and lets neither erase one", async () => {
    const other = await makeKey(await makeTenant());
    const session = await settledChat();
    const mallory = `mallory-${crypto.randomUUID()}`;
    const strangers = [
      bearer(other.key, mallory),
      bearer(service.apiKey, mallory),
      bearer(await signUserToken(issuerKey, { user: mallory })),
    ];
    const asked = [
      ["GET", "", 200, undefined],
      ["DELETE", "", 404, "user_not_found"],
      ["GET", "/erasure", 404, "erasure_not_found"],
    ] as const;
    for (const caller of strangers) {
      for (const [method, path, status, code] of asked) {
        const ofUser = async (user: string): Promise<RawAnswer> => {
          const headers = Object.entries(caller.headers);
          const answer = await sendRaw(service.url, { method, path: `/v1/users/${user}${path}`, headers });
          if (answer === null) throw new Error(`${method} of a user was not answered`);
          return answer;
        };
        const there = await ofUser(victim);
        expect(there.status).toBe(status);
        if (code !== undefined) expect(codeOf(there)).toBe(code);
        expect(alike(there, victim)).toEqual(alike(await ofUser("unknown-one"), "unknown-one"));
        expect(there.text).not.toContain("diary");
      }
    }
    expect(await call(service, "GET", `/v1/sessions/${session}`, AS_VICTIM)).toMatchObject({ status: 200 });
  });

  it("refuses a key that lacks one of the documented scopes with 403, and accepts one with only those", async () => {
    const session = await settledChat();
    const before = await snapshot(session);
    const keys = new Map<string, Promise<{ key: string }>>();
    const keyWith = async (scopes: readonly string[]): Promise<Caller> => {
      const made = keys.get(scopes.join()) ?? makeKey(LOCAL_TENANT, scopes);
      keys.set(scopes.join(), made);
      return bearer((await made).key, victim);
    };
    for (const offer of withKey()) {
      for (const way of waysOf(offer)) {
        for (const scope of scopesOf(offer.operation) ?? []) {
          const lacking = await keyWith(KEY_SCOPES.filter((other) => other !== scope));
          const answer = await ask(offer, session, lacking, way);
          const told = { status: answer.status, code: codeOf(answer) };
          expect(told, `${nameOf(offer, way)} without ${scope}`).toEqual({ status: 403, code: "forbidden" });
        }
      }
    }
    expect(await snapshot(session)).toEqual(before);
    for (const offer of withKey()) {
      const able = isAdmin(offer) ? bearer(service.adminKey) : await keyWith(scopesOf(offer.operation) ?? []);
      for (const way of waysOf(offer)) {
        const { status, text } = await ask(offer, await chatOfVictim(), able, way);
        expect(status, `${nameOf(offer, way)}: ${text}`).not.toBe(403);
        expect(status, `${nameOf(offer, way)}: ${text}`).not.toBe(401);
      }
    }
  });
});

function eraseSession(): Offered {
  const found = offers.find(({ operation }) => operation.operationId === "eraseSession");
  if (found === undefined) throw new Error("no operation erases a session");
  return found;
}
