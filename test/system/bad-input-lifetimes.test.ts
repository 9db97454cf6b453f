import { describe, expect, it } from "vitest";
import { problemSchema } from "../../src/api/errors.ts";
import { type Answer, call, type CallOptions, sharedService } from "../support/service.ts";

const service = sharedService();
/** A user of this file, because other files create sessions at the same time, which must not appear in this list. */
const user = `lifetimes-${crypto.randomUUID()}`;

function ask<Body = unknown>(method: string, path: string, options: CallOptions = {}): Promise<Answer<Body>> {
  return call<Body>(service, method, path, { ...options, headers: { "threadkeep-user": user, ...options.headers } });
}

const newId = (): string => `bad-${crypto.randomUUID()}`;

interface Case {
  readonly name: string;
  readonly body?: unknown;
  readonly query?: string;
  readonly headers?: Record<string, string>;
  readonly status: number;
  readonly code: string;
  readonly fault?: string;
}

const invalid = { status: 422, code: "validation_failed" } as const;

/** The status, code and place of a refusal. Fails if it is not a problem document. */
function refusalOf(answer: Answer<unknown>): { status: number; code: string; fault: string | undefined } {
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  const problem = problemSchema.parse(answer.body);
  expect(problem.detail.length).toBeGreaterThan(10);
  return { status: answer.status, code: problem.code, fault: problem.errors?.[0]?.path };
}

async function chat(): Promise<string> {
  const id = newId();
  const messages = [1, 2, 3].map((number) => ({ id: `m-${number}`, role: "user", content: `message ${number}` }));
  await ask("POST", `/v1/sessions/${id}/messages`, { body: { messages } });
  return id;
}

async function listedIds(): Promise<string[]> {
  const { body } = await ask<{ data: { id: string }[] }>("GET", "/v1/sessions?limit=100");
  return body.data.map(({ id }) => id);
}

describe("a fork is refused", () => {
  const cases: Case[] = [
    { name: "a list for an object", body: [], ...invalid, fault: "" },
    { name: "null for an object", body: null, ...invalid, fault: "" },
    { name: "a field that nobody knows", body: { colour: "red" }, ...invalid, fault: "/colour" },
    { name: "a continuation at once", body: { continueFrom: "x" }, ...invalid, fault: "/continueFrom" },
    { name: "an id with a slash", body: { id: "a/b" }, ...invalid, fault: "/id" },
    { name: "an id of 129 characters", body: { id: "x".repeat(129) }, ...invalid, fault: "/id" },
    { name: "an id that is two dots", body: { id: ".." }, ...invalid, fault: "/id" },
    { name: "an empty id", body: { id: "" }, ...invalid, fault: "/id" },
    { name: "a message before the first", body: { throughSeq: 0 }, ...invalid, fault: "/throughSeq" },
    { name: "half a message", body: { throughSeq: 1.5 }, ...invalid, fault: "/throughSeq" },
    { name: "a message in words", body: { throughSeq: "1" }, ...invalid, fault: "/throughSeq" },
    { name: "a message past the newest", body: { throughSeq: 4 }, ...invalid, fault: "/throughSeq" },
    {
      name: "the largest number there is",
      body: { throughSeq: Number.MAX_SAFE_INTEGER },
      ...invalid,
      fault: "/throughSeq",
    },
    { name: "metadata that is a list", body: { metadata: [] }, ...invalid, fault: "/metadata" },
    { name: "metadata of 5 KB", body: { metadata: { x: "y".repeat(5_000) } }, ...invalid, fault: "/metadata" },
    {
      name: "a setting below its range",
      body: { settings: { maxTokens: 1 } },
      ...invalid,
      fault: "/settings/maxTokens",
    },
    { name: "an unknown parameter", query: "?dryRun=1", body: {}, ...invalid, fault: "dryRun" },
    { name: "broken JSON", body: '{"id":', status: 400, code: "malformed_json", fault: "" },
    {
      name: "text for JSON",
      body: "{}",
      headers: { "content-type": "text/plain" },
      status: 415,
      code: "unsupported_media_type",
    },
  ];

  it.each(cases)("$name", async ({ body, query = "", headers, fault, status, code }) => {
    const id = await chat();
    const before = await listedIds();
    const answer = await ask("POST", `/v1/sessions/${id}/fork${query}`, {
      body,
      ...(headers === undefined ? {} : { headers }),
    });
    expect(refusalOf(answer)).toEqual({ status, code, fault });
    expect(await listedIds()).toEqual(before);
  });
});

describe("settings of expiry and idle times are refused", () => {
  const settings = (change: unknown) => ({ settings: change });
  const cases: Case[] = [
    { name: "to continue from an id with a slash", body: { continueFrom: "a/b" }, ...invalid, fault: "/continueFrom" },
    { name: "to continue from null", body: { continueFrom: null }, ...invalid, fault: "/continueFrom" },
    { name: "to continue from two sessions", body: { continueFrom: ["a", "b"] }, ...invalid, fault: "/continueFrom" },
    {
      name: "to continue from one that is not there",
      body: { continueFrom: "not-there" },
      status: 404,
      code: "session_not_found",
      fault: "/continueFrom",
    },
    {
      name: "to expire within a minute",
      body: settings({ expireAfterIdleSeconds: 59 }),
      ...invalid,
      fault: "/settings/expireAfterIdleSeconds",
    },
    {
      name: "to expire after more than ten years",
      body: settings({ expireAfterIdleSeconds: 315_360_001 }),
      ...invalid,
      fault: "/settings/expireAfterIdleSeconds",
    },
    {
      name: "to expire in words",
      body: settings({ expireAfterIdleSeconds: "3600" }),
      ...invalid,
      fault: "/settings/expireAfterIdleSeconds",
    },
    {
      name: "to expire after a fraction",
      body: settings({ expireAfterIdleSeconds: 60.5 }),
      ...invalid,
      fault: "/settings/expireAfterIdleSeconds",
    },
    {
      name: "to be summarized within ten seconds",
      body: settings({ summarizeAfterIdleSeconds: 9 }),
      ...invalid,
      fault: "/settings/summarizeAfterIdleSeconds",
    },
    {
      name: "to be summarized at once",
      body: settings({ summarizeAfterIdleSeconds: 0 }),
      ...invalid,
      fault: "/settings/summarizeAfterIdleSeconds",
    },
    {
      name: "to be summarized never, in a word",
      body: settings({ summarizeAfterIdleSeconds: false }),
      ...invalid,
      fault: "/settings/summarizeAfterIdleSeconds",
    },
  ];

  it.each(cases)("$name", async ({ body, fault, status, code }) => {
    const id = newId();
    const answer = await ask("POST", "/v1/sessions", { body: { id, ...Object(body) } });
    expect(refusalOf(answer)).toEqual({ status, code, fault });
    expect((await ask("GET", `/v1/sessions/${id}`)).status).toBe(404);
    expect(await listedIds()).not.toContain(id);
  });

  it("and null means never", async () => {
    const id = newId();
    const never = { summarizeAfterIdleSeconds: null, expireAfterIdleSeconds: null };
    const made = await ask("POST", "/v1/sessions", { body: { id, settings: never } });
    expect(made).toMatchObject({ status: 201, body: { settings: never, expiresAt: null } });
  });
});

describe("an export is refused", () => {
  it("of a session that does not exist, and with an unknown parameter", async () => {
    expect(refusalOf(await ask("GET", `/v1/sessions/${newId()}/export`))).toMatchObject({
      status: 404,
      code: "session_not_found",
    });
    expect(refusalOf(await ask("GET", `/v1/sessions/${await chat()}/export?from=2`))).toEqual({
      ...invalid,
      fault: "from",
    });
  });
});

describe("an import is refused", () => {
  const lines = { "content-type": "application/x-ndjson" };
  const cases: Case[] = [
    { name: "as JSON", body: {}, status: 415, code: "unsupported_media_type" },
    {
      name: "as text",
      body: "{}",
      headers: { "content-type": "text/plain" },
      status: 415,
      code: "unsupported_media_type",
    },
    {
      name: "in another charset",
      body: "{}",
      headers: { "content-type": "application/x-ndjson; charset=latin1" },
      status: 415,
      code: "unsupported_media_type",
    },
    { name: "without a body", headers: lines, ...invalid, fault: "line 1" },
    { name: "with a list for a line", body: "[]\n", headers: lines, ...invalid, fault: "line 1" },
    { name: "with null for a line", body: "null\n", headers: lines, ...invalid, fault: "line 1" },
    {
      name: "nested by the thousand",
      body: `{"type":"session","metadata":${"[".repeat(20_000)}${"]".repeat(20_000)}}`,
      headers: lines,
      ...invalid,
      fault: "line 1",
    },
    {
      name: "with a parameter that nobody knows",
      query: "&force=1",
      body: "{}",
      headers: lines,
      ...invalid,
      fault: "force",
    },
    {
      name: "with bytes that are not UTF-8",
      body: Uint8Array.of(0x7b, 0xff, 0x7d),
      headers: lines,
      status: 400,
      code: "malformed_json",
    },
  ];

  it.each(cases)("$name", async ({ body, query = "", headers, fault, status, code }) => {
    const id = newId();
    const options = { ...(body === undefined ? {} : { body }), ...(headers === undefined ? {} : { headers }) };
    const answer = await ask("POST", `/v1/import?sessionId=${id}${query}`, options);
    expect(refusalOf(answer)).toEqual({ status, code, fault });
    expect(await listedIds()).not.toContain(id);
  });

  it("under an invalid id", async () => {
    const answer = await ask("POST", "/v1/import?sessionId=a%2Fb", { body: "{}", headers: lines });
    expect(refusalOf(answer)).toEqual({ ...invalid, fault: "sessionId" });
  });

  it("and the refusal never repeats the file's content", async () => {
    const secret = "my-secret-diary";
    for (const body of [
      `{"type":"${secret}"}`,
      `${secret}`,
      `{"type":"session","id":"${secret}/","format":"${secret}"}`,
    ]) {
      const answer = await ask("POST", "/v1/import", { body, headers: lines });
      expect(answer.status).toBe(422);
      expect(answer.text).not.toContain(secret);
    }
  });
});
