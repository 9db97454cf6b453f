import { describe, expect, it } from "vitest";
import { problemSchema } from "../../src/api/errors.ts";
import { type Answer, type CallOptions, call, sharedService } from "../support/service.ts";

interface Case {
  readonly name: string;
  readonly body?: unknown;
  readonly method?: string;
  /** The path after `/v1/sessions/{id}`. */
  readonly path?: string;
  readonly options?: CallOptions;
  readonly status: number;
  readonly code: string;
  /** Where the fault is, if the request has one. */
  readonly fault?: string;
}

const service = sharedService();
const newId = (): string => `bad-${crypto.randomUUID()}`;
const message = (fields: Record<string, unknown> = {}): Record<string, unknown> => ({
  role: "user",
  content: "hi",
  ...fields,
});
const batch = (...messages: unknown[]): { messages: unknown[] } => ({ messages });
const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
const raw = (content: string): string => `{"messages":[{"role":"user","content":${content}}]}`;

const bodies: Case[] = [
  { name: "broken JSON", body: '{"messages":[{"role":"user",]}', status: 400, code: "malformed_json", fault: "" },
  { name: "JSON that stops midway", body: '{"messages":[', status: 400, code: "malformed_json", fault: "" },
  {
    name: "bytes that are not UTF-8",
    body: Uint8Array.of(0x22, 0xff, 0x22),
    status: 400,
    code: "malformed_json",
    fault: "",
  },
  { name: "no body", status: 422, code: "validation_failed", fault: "" },
  { name: "an array for an object", body: [], status: 422, code: "validation_failed", fault: "" },
  { name: "null for an object", body: null, status: 422, code: "validation_failed", fault: "" },
  { name: "no messages at all", body: {}, status: 422, code: "validation_failed", fault: "/messages" },
  {
    name: "a text for the list of messages",
    body: { messages: "hi" },
    status: 422,
    code: "validation_failed",
    fault: "/messages",
  },
  { name: "an empty batch", body: batch(), status: 422, code: "validation_failed", fault: "/messages" },
  {
    name: "101 messages",
    body: batch(...Array.from({ length: 101 }, () => message())),
    status: 422,
    code: "validation_failed",
    fault: "/messages",
  },
  {
    name: "9 MB",
    body: JSON.stringify(batch(message({ content: "x".repeat(9_000_000) }))),
    status: 413,
    code: "body_too_large",
    fault: "",
  },
  {
    name: "a message over its limit in a body within its own",
    body: batch(message(), message({ content: "x".repeat(4_200_000) })),
    status: 413,
    code: "message_too_large",
    fault: "/messages/1/content",
  },
  {
    name: "a message that is a number",
    body: batch(message(), 7),
    status: 422,
    code: "validation_failed",
    fault: "/messages/1",
  },
  {
    name: "an unknown role",
    body: batch(message(), message(), message(), message({ role: "bot" })),
    status: 422,
    code: "validation_failed",
    fault: "/messages/3/role",
  },
  {
    name: "no role",
    body: batch({ content: "hi" }),
    status: 422,
    code: "validation_failed",
    fault: "/messages/0/role",
  },
  {
    name: "no content",
    body: batch({ role: "user" }),
    status: 422,
    code: "validation_failed",
    fault: "/messages/0/content",
  },
  {
    name: "content of the wrong type",
    body: batch(message({ content: 5 })),
    status: 422,
    code: "validation_failed",
    fault: "/messages/0/content",
  },
  {
    name: "no parts",
    body: batch(message({ content: [] })),
    status: 422,
    code: "validation_failed",
    fault: "/messages/0/content",
  },
  {
    name: "an unknown kind of part",
    body: batch(message({ content: [{ type: "video", url: "x" }] })),
    status: 422,
    code: "validation_failed",
    fault: "/messages/0/content/0/type",
  },
  {
    name: "a part without what its kind needs",
    body: batch(
      message({
        content: [
          { type: "text", text: "hi" },
          { type: "tool-call", toolName: "a", input: {} },
        ],
      }),
    ),
    status: 422,
    code: "validation_failed",
    fault: "/messages/0/content/1/toolCallId",
  },
  {
    name: "a message id with a slash",
    body: batch(message({ id: "a/b" })),
    status: 422,
    code: "validation_failed",
    fault: "/messages/0/id",
  },
  {
    name: "a message id that is too long",
    body: batch(message({ id: "a".repeat(129) })),
    status: 422,
    code: "validation_failed",
    fault: "/messages/0/id",
  },
  {
    name: "one id twice in a batch",
    body: batch(message({ id: "a" }), message({ id: "a" })),
    status: 422,
    code: "validation_failed",
    fault: "/messages/1/id",
  },
  {
    name: "a lone surrogate in metadata",
    body: '{"messages":[{"role":"user","content":"hi","metadata":{"a":"\\ud800"}}]}',
    status: 422,
    code: "validation_failed",
    fault: "/messages/0/metadata/a",
  },
  {
    name: "a NUL in an author",
    body: batch(message({ author: "a\u0000" })),
    status: 422,
    code: "validation_failed",
    fault: "/messages/0/author",
  },
  ...[
    [
      "a NUL in a name of a part's options",
      [{ type: "text", text: "hi", providerOptions: { "a\u0000b": 1 } }],
      "providerOptions/a\u0000b",
    ],
    [
      "half a surrogate pair in one",
      '[{"type":"text","text":"hi","providerOptions":{"a\\ud800":1}}]',
      "providerOptions/a\ufffd",
    ],
    ["a NUL in the type of a data part", [{ type: "data-\u0000x", data: 1 }], "type"],
  ].map(([name, content, place]) => ({
    name: String(name),
    body: typeof content === "string" ? raw(content) : batch(message({ content })),
    status: 422,
    code: "validation_failed",
    fault: `/messages/0/content/0/${String(place)}`,
  })),
  ...["0000-01-01T00:00:00Z", "9999-12-31T23:59:59-10:00"].map((occurredAt) => ({
    name: `a moment that PostgreSQL has no year for, ${occurredAt}`,
    body: batch(message({ occurredAt })),
    status: 422,
    code: "validation_failed",
    fault: "/messages/0/occurredAt",
  })),
  {
    name: "an unknown field",
    body: { ...batch(message()), mesages: [] },
    status: 422,
    code: "validation_failed",
    fault: "/mesages",
  },
  {
    name: "an unknown field of a message",
    body: batch(message({ text: "hi" })),
    status: 422,
    code: "validation_failed",
    fault: "/messages/0/text",
  },
  {
    name: "metadata over its limit",
    body: batch(message({ metadata: { a: "x".repeat(5_000) } })),
    status: 422,
    code: "validation_failed",
    fault: "/messages/0/metadata",
  },
  {
    name: "deep nesting in metadata",
    body: `{"messages":[{"role":"user","content":"hi","metadata":{"a":${nested(100_000)}}}]}`,
    status: 422,
    code: "validation_failed",
    fault: "/messages/0/metadata/a",
  },
  {
    name: "deep nesting in a tool's output",
    body: raw(`[{"type":"tool-result","toolCallId":"a","toolName":"b","output":${nested(100_000)}}]`),
    status: 422,
    code: "validation_failed",
    fault: "/messages/0/content/0/output",
  },
  { name: "deep nesting of the body itself", body: nested(400_000), status: 422, code: "validation_failed", fault: "" },
  {
    name: "a time without a zone",
    body: batch(message({ occurredAt: "2026-11-22T09:30:00" })),
    status: 422,
    code: "validation_failed",
    fault: "/messages/0/occurredAt",
  },
  {
    name: "an expected head that is negative",
    body: { ...batch(message()), expectedHeadSeq: -1 },
    status: 422,
    code: "validation_failed",
    fault: "/expectedHeadSeq",
  },
  {
    name: "an expected head that is a fraction",
    body: { ...batch(message()), expectedHeadSeq: 1.5 },
    status: 422,
    code: "validation_failed",
    fault: "/expectedHeadSeq",
  },
  {
    name: "a context with too small a budget",
    body: { ...batch(message()), context: { maxTokens: 10 } },
    status: 422,
    code: "validation_failed",
    fault: "/context/maxTokens",
  },
  {
    name: "a context in an unknown format",
    body: { ...batch(message()), context: { format: "xml" } },
    status: 422,
    code: "validation_failed",
    fault: "/context/format",
  },
].map((entry) => ({ ...entry, method: "POST", path: "/messages" }));

const requests: Case[] = [
  {
    name: "a content type that is not JSON",
    method: "POST",
    path: "/messages",
    body: JSON.stringify(batch(message())),
    options: { headers: { "content-type": "text/plain" } },
    status: 415,
    code: "unsupported_media_type",
  },
  {
    name: "a compressed body",
    method: "POST",
    path: "/messages",
    body: JSON.stringify(batch(message())),
    options: { headers: { "content-encoding": "gzip" } },
    status: 415,
    code: "unsupported_media_type",
  },
  {
    name: "an Idempotency-Key with a slash",
    method: "POST",
    path: "/messages",
    body: batch(message()),
    options: { headers: { "idempotency-key": "a/b" } },
    status: 422,
    code: "validation_failed",
    fault: "Idempotency-Key",
  },
  {
    name: "a user that no URL can name",
    method: "POST",
    path: "/messages",
    body: batch(message()),
    options: { headers: { "threadkeep-user": ".." } },
    status: 422,
    code: "validation_failed",
    fault: "Threadkeep-User",
  },
  {
    name: "no key",
    method: "POST",
    path: "/messages",
    body: batch(message()),
    options: { key: null },
    status: 401,
    code: "unauthenticated",
  },
  {
    name: "a wrong key",
    method: "POST",
    path: "/messages",
    body: batch(message()),
    options: { key: "tk_local_wrong" },
    status: 401,
    code: "unauthenticated",
  },
  {
    name: "a key in another scheme",
    method: "POST",
    path: "/messages",
    body: batch(message()),
    options: { key: null, headers: { authorization: "Basic dTpw" } },
    status: 401,
    code: "unauthenticated",
  },
  { name: "a limit of 0", path: "/messages?limit=0", status: 422, code: "validation_failed", fault: "limit" },
  { name: "a limit of 101", path: "/messages?limit=101", status: 422, code: "validation_failed", fault: "limit" },
  { name: "a limit in words", path: "/messages?limit=ten", status: 422, code: "validation_failed", fault: "limit" },
  { name: "an empty limit", path: "/messages?limit=", status: 422, code: "validation_failed", fault: "limit" },
  {
    name: "a limit given twice",
    path: "/messages?limit=1&limit=2",
    status: 422,
    code: "validation_failed",
    fault: "limit",
  },
  {
    name: "a seq that is no number",
    path: "/messages?afterSeq=1e3",
    status: 422,
    code: "validation_failed",
    fault: "afterSeq",
  },
  {
    name: "a seq too large to be exact",
    path: "/messages?afterSeq=99999999999999999",
    status: 422,
    code: "validation_failed",
    fault: "afterSeq",
  },
  {
    name: "an unknown parameter",
    path: "/messages?aftrSeq=1",
    status: 422,
    code: "validation_failed",
    fault: "aftrSeq",
  },
  {
    name: "an unknown parameter where there is none",
    path: "?expand=all",
    status: 422,
    code: "validation_failed",
    fault: "expand",
  },
  { name: "an unknown format", path: "/context?format=xml", status: 422, code: "validation_failed", fault: "format" },
  {
    name: "a budget that is too small",
    path: "/context?maxTokens=255",
    status: 422,
    code: "validation_failed",
    fault: "maxTokens",
  },
  {
    name: "a context as of message 0",
    path: "/context?atSeq=0",
    status: 422,
    code: "validation_failed",
    fault: "atSeq",
  },
  {
    name: "a cursor that is garbage",
    path: "/summaries?cursor=%F0%9F%99%88",
    status: 422,
    code: "validation_failed",
    fault: "cursor",
  },
  { name: "a version in words", path: "/summaries/latest", status: 422, code: "validation_failed", fault: "version" },
  {
    name: "an unknown expansion",
    path: "/summaries/1?expand=everything",
    status: 422,
    code: "validation_failed",
    fault: "expand",
  },
  {
    name: "a message id with a slash in the address",
    path: "/messages/a%2Fb",
    status: 422,
    code: "validation_failed",
    fault: "messageId",
  },
  {
    name: "a wait that is too long",
    method: "POST",
    path: "/summarize",
    body: { waitMs: 60_000 },
    status: 422,
    code: "validation_failed",
    fault: "/waitMs",
  },
  {
    name: "an unknown wish for a context",
    method: "POST",
    path: "/context",
    body: { tokens: 500 },
    status: 422,
    code: "validation_failed",
    fault: "/tokens",
  },
  {
    name: "settings that contradict each other",
    method: "PATCH",
    body: { settings: { summarizeAfterTokens: 500, keepRecentTokens: 600 } },
    status: 422,
    code: "validation_failed",
    fault: "/settings/keepRecentTokens",
  },
  {
    name: "metadata over its limit for a session",
    method: "PATCH",
    body: { metadata: { a: "x".repeat(5_000) } },
    status: 422,
    code: "validation_failed",
    fault: "/metadata",
  },
  {
    name: "a method that the route lacks",
    method: "PUT",
    path: "/messages",
    body: batch(message()),
    status: 405,
    code: "method_not_allowed",
  },
  {
    name: "a route that does not exist",
    method: "POST",
    path: "/massages",
    body: batch(message()),
    status: 404,
    code: "route_not_found",
  },
];

async function send(id: string, { method = "GET", path = "", body, options }: Case): Promise<Answer<unknown>> {
  return await call(service, method, `/v1/sessions/${id}${path}`, {
    ...(body === undefined ? {} : { body }),
    ...options,
  });
}

type Expected = Omit<Case, "name">;

/** The parts of a refusal that a client relies on. Fails if it is not a well-formed problem document. */
function refusalOf(answer: Answer<unknown>): { status: number; code: string; faults: string[] } {
  if (answer.headers.get("content-type") !== "application/problem+json") {
    throw new Error(`${answer.status} without a problem document: ${answer.text}`);
  }
  const { status, code, detail, requestId, errors = [] } = problemSchema.parse(answer.body);
  const isSound = status === answer.status && requestId === answer.headers.get("x-request-id") && detail.length > 10;
  if (!isSound) throw new Error(`The problem document contradicts its answer: ${answer.text}`);
  return { status, code, faults: errors.map((error) => error.path) };
}

function refusal({ status, code, fault }: Expected): unknown {
  return { status, code, faults: expect.arrayContaining(fault === undefined ? [] : [fault]) };
}

describe("bad input to a session gets a clear 4xx and changes nothing", () => {
  it.each([...bodies, ...requests])("$name", async (entry) => {
    const unknown = newId();
    expect(refusalOf(await send(unknown, entry))).toEqual(refusal(entry));
    expect((await call(service, "GET", `/v1/sessions/${unknown}`)).status).toBe(404);

    const known = newId();
    await call(service, "POST", `/v1/sessions/${known}/messages`, { body: batch(message({ id: "first" })) });
    const before = await stateOf(known);
    expect(refusalOf(await send(known, entry))).toEqual(refusal(entry));
    expect(await stateOf(known)).toEqual(before);
  });
});

/** The state without `archived`, which becomes true by itself. */
async function stateOf(id: string): Promise<unknown> {
  const { status, body } = await call<Record<string, unknown>>(service, "GET", `/v1/sessions/${id}`);
  expect(status).toBe(200);
  const { archived: _, ...state } = body;
  return state;
}

describe("bad input to the list of sessions gets a clear 4xx", () => {
  const cases: (Case & { readonly query: string })[] = [
    { name: "a limit of 0", query: "limit=0", status: 422, code: "validation_failed", fault: "limit" },
    { name: "a limit in hexadecimal", query: "limit=0x10", status: 422, code: "validation_failed", fault: "limit" },
    { name: "an empty cursor", query: "cursor=", status: 422, code: "validation_failed", fault: "cursor" },
    {
      name: "a cursor that is garbage",
      query: "cursor=%21%21%21",
      status: 422,
      code: "validation_failed",
      fault: "cursor",
    },
    {
      name: "a cursor that is JSON of the wrong kind",
      query: `cursor=${btoa('{"a":1}')}`,
      status: 422,
      code: "validation_failed",
      fault: "cursor",
    },
    { name: "an unknown parameter", query: "sort=newest", status: 422, code: "validation_failed", fault: "sort" },
    { name: "a NUL in a filter", query: "metadata.a=%00", status: 422, code: "validation_failed", fault: "metadata.a" },
  ];
  it.each(cases)("$name", async ({ query, ...expected }) => {
    expect(refusalOf(await call(service, "GET", `/v1/sessions?${query}`))).toEqual(refusal(expected));
  });
});

describe("bad input to the creation of a session gets a clear 4xx and creates none", () => {
  it.each([
    { name: "an id with a slash", body: { id: "a/b" }, fault: "/id" },
    { name: "an empty id", body: { id: "" }, fault: "/id" },
    { name: "an id of 129 characters", body: { id: "a".repeat(129) }, fault: "/id" },
    { name: "an id that is a number", body: { id: 7 }, fault: "/id" },
    { name: "an unknown field", body: { name: "a" }, fault: "/name" },
    { name: "metadata that is a list", body: { metadata: [] }, fault: "/metadata" },
    { name: "an unknown setting", body: { settings: { model: "x" } }, fault: "/settings/model" },
    { name: "a setting out of range", body: { settings: { maxTokens: 100 } }, fault: "/settings/maxTokens" },
    {
      name: "a lone surrogate in the name of a property",
      body: '{"metadata":{"\\ud800":1}}',
      fault: "/metadata/\ufffd",
    },
  ])("$name", async ({ body, fault }) => {
    const user = newId();
    const headers = { "threadkeep-user": user };
    const answer = await call(service, "POST", "/v1/sessions", { body, headers });
    expect(refusalOf(answer)).toEqual(refusal({ status: 422, code: "validation_failed", fault }));
    const list = await call(service, "GET", "/v1/sessions", { headers });
    expect(list.body).toMatchObject({ data: [] });
  });
});

describe("bad input to a tenant's settings gets a clear 4xx and changes nothing", () => {
  const invalid = { status: 422, code: "validation_failed" };
  const cases: Case[] = [
    { name: "an unknown property", body: { setings: {} }, ...invalid, fault: "/setings" },
    { name: "an unknown setting", body: { settings: { model: "x" } }, ...invalid, fault: "/settings/model" },
    { name: "a rev of the client's", body: { rev: 7, summarization: "paused" }, ...invalid, fault: "/rev" },
    {
      name: "a setting below its range",
      body: { settings: { maxTokens: 255 } },
      ...invalid,
      fault: "/settings/maxTokens",
    },
    {
      name: "a setting above its range",
      body: { settings: { maxTokens: 1_000_001 } },
      ...invalid,
      fault: "/settings/maxTokens",
    },
    {
      name: "a setting that is a fraction",
      body: { settings: { summaryMaxTokens: 500.5 } },
      ...invalid,
      fault: "/settings/summaryMaxTokens",
    },
    {
      name: "a setting in words",
      body: { settings: { maxTokens: "4000" } },
      ...invalid,
      fault: "/settings/maxTokens",
    },
    {
      name: "a setting that is null",
      body: { settings: { maxTokens: null } },
      ...invalid,
      fault: "/settings/maxTokens",
    },
    { name: "an unknown profile", body: { settings: { profile: "bot" } }, ...invalid, fault: "/settings/profile" },
    {
      name: "thresholds that contradict each other",
      body: { settings: { summarizeAfterTokens: 500, keepRecentTokens: 500 } },
      ...invalid,
      fault: "/settings/keepRecentTokens",
    },
    { name: "settings that are null", body: { settings: null }, ...invalid, fault: "/settings" },
    { name: "settings that are a list", body: { settings: [] }, ...invalid, fault: "/settings" },
    { name: "an unknown state of summarization", body: { summarization: "off" }, ...invalid, fault: "/summarization" },
    {
      name: "a fault beside what is sound: neither is taken",
      body: { summarization: "paused", settings: { maxTokens: 1 } },
      ...invalid,
      fault: "/settings/maxTokens",
    },
    { name: "no body", ...invalid, fault: "" },
    { name: "a list for an object", body: [], ...invalid, fault: "" },
    { name: "broken JSON", body: '{"settings":', status: 400, code: "malformed_json", fault: "" },
    { name: "an unknown parameter", path: "?dryRun=1", body: {}, ...invalid, fault: "dryRun" },
    {
      name: "a content type that is not JSON",
      body: "{}",
      options: { headers: { "content-type": "text/plain" } },
      status: 415,
      code: "unsupported_media_type",
    },
    { name: "a method that the route lacks", method: "PUT", body: {}, status: 405, code: "method_not_allowed" },
    { name: "erasing a tenant", method: "DELETE", status: 405, code: "method_not_allowed" },
  ];

  it.each(cases)("$name", async ({ method = "PATCH", path = "", body, options, ...expected }) => {
    const address = `/v1/admin/tenants/${newId()}`;
    const ask = (verb: string, rest: string, more: CallOptions): Promise<Answer<unknown>> =>
      call(service, verb, `${address}${rest}`, { key: service.adminKey, ...more });
    const sent = { ...(body === undefined ? {} : { body }), ...options };
    expect(refusalOf(await ask(method, path, sent))).toEqual(refusal(expected));
    expect((await ask("GET", "", {})).body).toMatchObject({ rev: 0, settings: {}, updatedAt: null });

    const before = await ask("PATCH", "", { body: { settings: { maxTokens: 3_000 } } });
    expect(before.body).toMatchObject({ rev: 1 });
    expect(refusalOf(await ask(method, path, sent))).toEqual(refusal(expected));
    expect((await ask("GET", "", {})).body).toEqual(before.body);
  });

  it.each([
    ["capital letters", "Acme"],
    ["a slash", "acme%2Fuser"],
    ["a dot", "acme.com"],
    ["a hyphen at its beginning", "-"],
    ["64 characters", "a".repeat(64)],
    ["a NUL", "acme%00"],
    ["letters beyond a-z", "%C3%A5cme"],
  ])("a tenant's name with %s", async (_, name) => {
    for (const method of ["GET", "PATCH"]) {
      const answer = await call(service, method, `/v1/admin/tenants/${name}`, {
        key: service.adminKey,
        ...(method === "GET" ? {} : { body: { summarization: "paused" } }),
      });
      expect(refusalOf(answer)).toEqual(refusal({ status: 422, code: "validation_failed", fault: "tenant" }));
    }
  });

  it.each(["GET", "PATCH"])("%s without an admin key", async (method) => {
    const tenant = newId();
    const body = method === "GET" ? {} : { body: { summarization: "paused" } };
    const address = `/v1/admin/tenants/${tenant}`;
    expect(refusalOf(await call(service, method, address, body))).toEqual(refusal({ status: 403, code: "forbidden" }));
    expect(refusalOf(await call(service, method, address, { ...body, key: null }))).toEqual(
      refusal({ status: 401, code: "unauthenticated" }),
    );
    const after = await call(service, "GET", address, { key: service.adminKey });
    expect(after.body).toMatchObject({ rev: 0, summarization: "on" });
  });
});

describe("a resource that does not exist", () => {
  it.each([
    ["GET", ""],
    ["PATCH", ""],
    ["GET", "/messages"],
    ["GET", "/messages/a"],
    ["GET", "/context"],
    ["POST", "/context"],
    ["POST", "/summarize"],
    ["GET", "/summaries"],
    ["GET", "/summaries/1"],
  ])("is answered with 404 session_not_found: %s of an unknown session%s", async (method, path) => {
    const body = method === "GET" ? {} : { body: {} };
    const answer = await call(service, method, `/v1/sessions/${newId()}${path}`, body);
    expect(refusalOf(answer)).toEqual(refusal({ status: 404, code: "session_not_found" }));
  });

  it("is answered with 404 and a code of its own for a message and a summary", async () => {
    const id = newId();
    await call(service, "POST", `/v1/sessions/${id}/messages`, { body: batch(message({ id: "first" })) });
    const path = `/v1/sessions/${id}`;
    expect(refusalOf(await call(service, "GET", `${path}/messages/second`))).toEqual(
      refusal({ status: 404, code: "message_not_found" }),
    );
    expect(refusalOf(await call(service, "GET", `${path}/summaries/1`))).toEqual(
      refusal({ status: 404, code: "summary_not_found" }),
    );
  });

  it("is answered without repeating the request", async () => {
    const secret = "my-secret-diary";
    const answers = await Promise.all([
      call(service, "POST", `/v1/sessions/${newId()}/messages`, { body: `{"a": "${secret}" oops` }),
      call(service, "POST", `/v1/sessions/${newId()}/messages`, {
        body: batch(message({ role: secret, content: [secret] })),
      }),
      call(service, "GET", `/v1/sessions?cursor=${secret}`),
      call(service, "GET", "/v1/sessions", { key: secret }),
    ]);
    for (const answer of answers) {
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.text).not.toContain(secret);
    }
  });
});
