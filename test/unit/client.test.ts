import { afterEach, describe, expect, it, vi } from "vitest";
import { pauseBefore, retryAfterMs } from "../../client/src/backoff.ts";
import {
  type ClientOptions,
  createClient,
  type Session,
  type Threadkeep,
  ThreadkeepError,
} from "../../client/src/index.ts";
import { readBack } from "../../client/src/read-back.ts";
import { storedId } from "../../client/src/stored-id.ts";

type Reply = Response | Error | ((request: Sent) => Response | Promise<Response>);

interface Sent {
  method: string;
  url: string;
  headers: Headers;
  body: unknown;
  signal: AbortSignal;
}

/** A service that gives a test's answers in order, and records the requests. */
function scripted(replies: Reply[], options: Partial<ClientOptions> = {}) {
  const sent: Sent[] = [];
  const threadkeep = createClient({
    url: "http://memory.test/base/",
    key: "k",
    ...options,
    fetch: async (url, init) => {
      const headers = new Headers(init.headers);
      const body: unknown = typeof init.body === "string" ? JSON.parse(init.body) : init.body;
      const signal = init.signal ?? new AbortController().signal;
      const request = { method: init.method ?? "", url, headers, body, signal };
      sent.push(request);
      const reply = replies[sent.length - 1] ?? new Error("nothing more is scripted");
      if (reply instanceof Error) throw reply;
      return typeof reply === "function" ? reply(request) : reply;
    },
  });
  return { threadkeep, sent };
}

const appended = (): Response => Response.json({ messages: [{ id: "a", seq: 1, created: true }], headSeq: 1 });
const problem = (status: number, code: string, more: object = {}, headers: Record<string, string> = {}): Response =>
  Response.json({ type: "/docs", title: "t", status, code, detail: "d", requestId: "r", ...more }, { status, headers });
/** Hangs until it is aborted, like a service that never answers. */
const hang = ({ signal }: Sent): Promise<Response> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));

async function failureOf(promise: Promise<unknown>): Promise<ThreadkeepError> {
  const error = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof ThreadkeepError) return error;
  throw new Error(`It did not fail as it should: ${String(error)}`);
}

afterEach(() => vi.useRealTimers());

describe("a retry", () => {
  it("after a lost answer sends the same ids again, including those that the client made", async () => {
    vi.useFakeTimers();
    const { threadkeep, sent } = scripted([new TypeError("connection reset"), problem(503, "unavailable"), appended()]);
    const result = threadkeep.session("s").append(["one", "two"].map((content) => ({ role: "user", content })));
    await vi.runAllTimersAsync();
    expect((await result).headSeq).toBe(1);
    expect(sent).toHaveLength(3);
    expect(sent[1]?.body).toEqual(sent[0]?.body);
    expect(sent[2]?.body).toEqual(sent[0]?.body);
    expect(sent[0]).toMatchObject({
      method: "POST",
      url: "http://memory.test/base/v1/sessions/s/messages",
      body: { messages: [{ id: expect.stringMatching(/^[0-9a-f-]{36}$/), content: "one" }, { content: "two" }] },
    });
  });

  it("waits as long as Retry-After says", async () => {
    vi.useFakeTimers();
    const { threadkeep, sent } = scripted([problem(429, "unavailable", {}, { "Retry-After": "7" }), appended()]);
    const result = threadkeep.session("s").append("hello");
    await vi.advanceTimersByTimeAsync(6_999);
    expect(sent).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(500);
    expect((await result).headSeq).toBe(1);
  });

  it("is not made if Retry-After is after the deadline: the refusal is thrown at once", async () => {
    const { threadkeep, sent } = scripted([problem(503, "unavailable", {}, { "Retry-After": "60" })]);
    const error = await failureOf(threadkeep.session("s").append("hello"));
    expect(error).toMatchObject({ code: "unavailable", status: 503, tries: 1 });
    expect(sent).toHaveLength(1);
  });

  it.each([400, 401, 403, 404, 409, 410, 413, 422, 500])("is not made after %i", async (status) => {
    const { threadkeep, sent } = scripted([problem(status, "internal"), appended()]);
    expect(await failureOf(threadkeep.session("s").append("hello"))).toMatchObject({ status });
    expect(sent).toHaveLength(1);
  });

  it("ends with the last error after the allowed number of tries", async () => {
    vi.useFakeTimers();
    const { threadkeep, sent } = scripted([new TypeError("a"), new TypeError("b"), appended()], { maxTries: 2 });
    const failure = failureOf(threadkeep.session("s").state());
    await vi.runAllTimersAsync();
    expect(await failure).toMatchObject({ code: "network_error", status: 0, tries: 2 });
    expect(sent).toHaveLength(2);
  });

  it("of a deletion whose first answer was lost does not fail because the session is gone", async () => {
    vi.useFakeTimers();
    const gone = problem(404, "session_not_found");
    const retried = scripted([new TypeError("connection reset"), gone.clone()])
      .threadkeep.session("s")
      .delete();
    await vi.runAllTimersAsync();
    expect(await retried).toEqual({ id: "s", state: "erasing" });
    const first = scripted([gone]).threadkeep.session("s").delete();
    expect(await failureOf(first)).toMatchObject({ code: "session_not_found" });
  });

  it("of a deletion is not made if the first answer says that there is no such session", async () => {
    const { threadkeep } = scripted([problem(404, "session_not_found")]);
    expect(await failureOf(threadkeep.session("s").delete())).toMatchObject({ code: "session_not_found", tries: 1 });
  });

  it.each([
    ["fork", (session: Session) => session.fork(), "/sessions/s/fork"],
    ["new session", (_: Session, client: Threadkeep) => client.create(), "/sessions"],
  ])("of a %s sends the same id again", async (_, call, path) => {
    vi.useFakeTimers();
    const { threadkeep, sent } = scripted([new TypeError("connection reset"), Response.json({ id: "new" })]);
    const made = call(threadkeep.session("s"), threadkeep);
    await vi.runAllTimersAsync();
    await made;
    expect(sent.map(({ url }) => url)).toEqual(Array.from({ length: 2 }, () => `http://memory.test/base/v1${path}`));
    expect(sent[0]?.body).toEqual({ id: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    expect(sent[1]?.body).toEqual(sent[0]?.body);
  });

  it("gets a new token each time", async () => {
    vi.useFakeTimers();
    let count = 0;
    const token = async (): Promise<string> => `token-${(count += 1)}`;
    const connection = { url: "http://memory.test", token };
    const headers: (string | null)[] = [];
    const threadkeep = createClient({
      ...connection,
      fetch: async (_, init) => {
        headers.push(new Headers(init.headers).get("Authorization"));
        return headers.length === 1 ? problem(503, "unavailable") : appended();
      },
    });
    const result = threadkeep.session("s").append("hello");
    await vi.runAllTimersAsync();
    await result;
    expect(headers).toEqual(["Bearer token-1", "Bearer token-2"]);
  });

  it("never waits less than the service asked for, and adds jitter if it asked for nothing", () => {
    expect(pauseBefore(1, null, 0)).toBe(100);
    expect(pauseBefore(1, null, 1)).toBe(200);
    expect(pauseBefore(30, null, 1)).toBe(8_000);
    expect(pauseBefore(1, 5_000, 0)).toBeGreaterThanOrEqual(5_000);
    const now = Date.parse("2026-11-22T12:00:00Z");
    expect(retryAfterMs("Sun, 22 Nov 2026 12:00:03 GMT", now)).toBe(3_000);
    expect(retryAfterMs("Sun, 22 Nov 2026 11:00:00 GMT", now)).toBe(0);
    expect(retryAfterMs("soon", now)).toBeNull();
  });
});

describe("a call", () => {
  it("ends at its deadline if the service never answers", async () => {
    const { threadkeep } = scripted([hang]);
    const error = await failureOf(threadkeep.session("s").context({}, { timeoutMs: 20 }));
    expect(error).toMatchObject({ code: "deadline_exceeded", detail: expect.stringContaining("20 ms") });
  });

  it("ends when it is aborted, while it waits for an answer or for the next try, with the signal's reason", async () => {
    for (const reply of [hang, problem(503, "unavailable", {}, { "Retry-After": "5" })]) {
      const abort = new AbortController();
      const { threadkeep, sent } = scripted([reply]);
      const context = threadkeep.session("s").context({}, { signal: abort.signal });
      await vi.waitFor(() => expect(sent).toHaveLength(1), { timeout: 40_000 });
      const reason = new Error("the user left");
      abort.abort(reason);
      await expect(context).rejects.toBe(reason);
    }
  });

  it("that was aborted before it started sends nothing", async () => {
    const { threadkeep, sent } = scripted([appended()]);
    const append = threadkeep.session("s").append("hello", { signal: AbortSignal.abort(new Error("too late")) });
    await expect(append).rejects.toThrow("too late");
    expect(sent).toEqual([]);
  });

  it("that is refused throws an error with code, request id, faults and facts", async () => {
    const faults = [{ path: "/messages/0/role", detail: "is required" }];
    const { threadkeep } = scripted([problem(409, "head_seq_mismatch", { headSeq: 7, errors: faults })]);
    const error = await failureOf(threadkeep.session("s").append("hello", { expectedHeadSeq: 6 }));
    expect(error).toMatchObject({ code: "head_seq_mismatch", requestId: "r", errors: faults, facts: { headSeq: 7 } });
    expect(error.message).toBe("head_seq_mismatch: d");
  });

  it("distinguishes a proxy's page, and an answer that is cut off, from an answer of the service", async () => {
    const page = (status: number): Response => new Response("<html>Bad gateway</html>", { status });
    for (const status of [200, 502]) {
      const { threadkeep } = scripted([page(status)]);
      expect(await failureOf(threadkeep.session("s").state())).toMatchObject({ code: "unexpected_answer", status });
    }
  });

  it.each(["", ".", "..", "a/b", "a?b", "é", "x".repeat(129)])(
    "with the session id %j fails without a request",
    async (id) => {
      const { threadkeep, sent } = scripted([appended()]);
      expect(() => threadkeep.session(id)).toThrow("invalid_argument: The session id");
      expect(() => threadkeep.session("s").erase(id)).toThrow("invalid_argument: The message id");
      expect(sent).toEqual([]);
    },
  );

  it.each(["", ".", "..", "-", " a", "a\nb", "\ud800", "x".repeat(257)])(
    "with the user %j fails without a request",
    async (id) => {
      const { threadkeep, sent } = scripted([appended()]);
      expect(() => threadkeep.withUser(id)).toThrow("invalid_argument: The user");
      expect(() => threadkeep.user(id)).toThrow("invalid_argument: The user");
      expect(sent).toEqual([]);
    },
  );

  it("acts for the named user", async () => {
    const { threadkeep, sent } = scripted([appended(), appended()]);
    await threadkeep.withUser("ada").session("s").append("hello");
    await threadkeep.session("s").append("hello");
    expect(sent.map(({ headers }) => headers.get("Threadkeep-User"))).toEqual(["ada", null]);
  });

  it.each([
    [{ url: "memory.example.com" }, "url must be the address"],
    [{ url: "ftp://memory.example.com" }, "url must be the address"],
    [{ token: "t" }, "a key or a token, not both"],
    [{ maxTries: 0 }, "maxTries must be"],
  ])("cannot be made with the options %j", (options, complaint) => {
    expect(() => scripted([], options)).toThrow(complaint);
  });
});

describe("an append with its context", () => {
  const stored = { messages: [{ id: "a", seq: 7, created: true }], headSeq: 7 };
  const failed = { ...stored, contextError: { code: "internal", detail: "no context" } };
  const options = { context: { format: "text", maxTokens: 500 } } as const;

  it("requests a context separately if it could not be made together with the append", async () => {
    const { threadkeep, sent } = scripted([Response.json(failed, { status: 201 }), Response.json({ text: "all" })]);
    const { context, headSeq } = await threadkeep.session("s").append("hello", options);
    expect({ context, headSeq }).toEqual({ context: { text: "all" }, headSeq: 7 });
    expect(sent.map(({ method, url }) => `${method} ${url}`)).toEqual([
      "POST http://memory.test/base/v1/sessions/s/messages",
      "POST http://memory.test/base/v1/sessions/s/context",
    ]);
    expect(sent[1]?.body).toEqual(options.context);
  });

  it("that still gets none fails, and says that the messages are stored", async () => {
    const { threadkeep } = scripted([Response.json(failed, { status: 201 }), problem(422, "validation_failed")]);
    const error = await failureOf(threadkeep.session("s").append("hello", options));
    expect(error).toMatchObject({ code: "validation_failed", status: 422, requestId: "r", facts: { headSeq: 7 } });
    expect(error.detail).toContain("The messages are stored");
  });
});

describe("a list", () => {
  const page = (data: unknown[], nextCursor: string | null): Response =>
    Response.json({ data, hasMore: nextCursor !== null, nextCursor });

  it("reads page after page, and no more pages than are used", async () => {
    const { threadkeep, sent } = scripted([page([{ id: "a" }, { id: "b" }], "c1"), page([{ id: "c" }], "c2")]);
    const ids: string[] = [];
    for await (const { id } of threadkeep.sessions({ metadata: { topic: "a&b" }, limit: 2 })) {
      ids.push(id);
      if (id === "c") break;
    }
    expect(ids).toEqual(["a", "b", "c"]);
    expect(sent.map(({ url }) => new URL(url).search)).toEqual([
      "?metadata.topic=a%26b&limit=2",
      "?metadata.topic=a%26b&cursor=c1&limit=2",
    ]);
  });

  it("of messages continues in its own direction", async () => {
    const back = scripted([page([], "4"), page([], null)]);
    for await (const _ of back.threadkeep.session("s").messages({ beforeSeq: 8 }).pages()) void _;
    expect(back.sent.map(({ url }) => new URL(url).search)).toEqual(["?beforeSeq=8", "?beforeSeq=4"]);
    const on = scripted([page([], "4"), page([], null)]);
    for await (const _ of on.threadkeep.session("s").messages({ afterSeq: 1, beforeSeq: 9 }).pages()) void _;
    expect(on.sent.map(({ url }) => new URL(url).search)).toEqual([
      "?afterSeq=1&beforeSeq=9",
      "?afterSeq=4&beforeSeq=9",
    ]);
  });
});

describe("a user", () => {
  const line = (value: object): string => `${JSON.stringify(value)}\n`;

  it("is exported line by line, and an export that breaks off after a session's end throws", async () => {
    const [head, end] = [line({ type: "user" }) + line({ type: "end" }), line({ type: "user-end" })];
    const { threadkeep, sent } = scripted([new Response(head + end), new Response(head)]);
    const types: string[] = [];
    for await (const { type } of threadkeep.user("ada").export()) types.push(type);
    expect(types).toEqual(["user", "end", "user-end"]);
    const cutOff = (async () => {
      for await (const { type } of threadkeep.user("ada").export()) types.push(type);
    })();
    expect((await failureOf(cutOff)).code).toBe("unexpected_answer");
    expect(sent[0]).toMatchObject({ method: "GET", url: "http://memory.test/base/v1/users/ada" });
  });

  it("is exported page after page, and an export that breaks off can be resumed after the last whole page", async () => {
    const pages = [
      line({ type: "user" }) + line({ type: "end" }) + line({ type: "user-next", cursor: "c1" }),
      line({ type: "end" }) + line({ type: "user-next", cursor: "c2" }),
      line({ type: "end" }) + line({ type: "user-end" }),
    ];
    const broken = pages[1]?.slice(0, 20);
    const { threadkeep, sent } = scripted([pages[0], broken, pages[1], pages[2]].map((text) => new Response(text)));
    const lines: object[] = [];
    const cutOff = (async () => {
      for await (const told of threadkeep.user("ada").export()) lines.push(told);
    })();
    expect(await failureOf(cutOff)).toMatchObject({
      code: "unexpected_answer",
      detail: expect.stringContaining("user-next"),
    });
    expect(lines.slice(0, 3).at(-1)).toEqual({ type: "user-next", cursor: "c1" });
    const rest: string[] = [];
    for await (const { type } of threadkeep.user("ada").export({ cursor: "c1" })) rest.push(type);
    expect(rest).toEqual(["end", "user-next", "end", "user-end"]);
    const searches = sent.map(({ url }) => new URL(url).search);
    expect(searches).toEqual(["", "?cursor=c1", "?cursor=c1", "?cursor=c2"]);
  });

  it("is erased, and the erasure can be followed; after a lost answer the request is repeated", async () => {
    vi.useFakeTimers();
    const erasing = { userId: "ada", state: "erasing", sessions: 1, erased: 0, startedAt: "2026-11-22T10:00:00.000Z" };
    const answer = (): Response => Response.json(erasing, { status: 202 });
    const { threadkeep, sent } = scripted([new TypeError("connection reset"), answer, answer]);
    const erased = threadkeep.user("ada").erase();
    await vi.runAllTimersAsync();
    expect(await erased).toEqual(erasing);
    expect(await threadkeep.user("ada").erasure()).toEqual(erasing);
    expect(sent.map(({ method, url }) => [method, url])).toEqual([
      ["DELETE", "http://memory.test/base/v1/users/ada"],
      ["DELETE", "http://memory.test/base/v1/users/ada"],
      ["GET", "http://memory.test/base/v1/users/ada/erasure"],
    ]);
  });
});

describe("an import", () => {
  const result = { id: "s", messages: 0, summaries: 0, items: 0, droppedItems: 0 };

  it("is not sent twice, because its stream is used up", async () => {
    const { threadkeep, sent } = scripted([problem(503, "unavailable"), Response.json(result)]);
    expect(await failureOf(threadkeep.import("{}\n"))).toMatchObject({ code: "unavailable", tries: 1 });
    expect(sent).toHaveLength(1);
  });
});

describe("an export", () => {
  const lines = ['{"type":"session","id":"s"}', '{"type":"message","seq":1}', '{"type":"end","complete":true}'];
  const read = async (body: string | ReadableStream<Uint8Array>): Promise<string[]> => {
    const { threadkeep } = scripted([new Response(body)]);
    const types: string[] = [];
    for await (const { type } of threadkeep.session("s").export()) types.push(type);
    return types;
  };

  it("is read line by line, wherever the network splits it", async () => {
    const bytes = new TextEncoder().encode(`${lines.join("\n")}\n`);
    const pieces = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += 7) controller.enqueue(bytes.slice(at, at + 7));
        controller.close();
      },
    });
    expect(await read(pieces)).toEqual(["session", "message", "end"]);
  });

  it("is read character by character, even if the network splits one", async () => {
    const bytes = new TextEncoder().encode(`{"type":"日本🙂"}\n${lines[2]}\n`);
    const pieces = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    expect(await read(pieces)).toEqual(["日本🙂", "end"]);
  });

  it.each([lines.slice(0, 2).join("\n"), `${lines[0]}\n{"type":"mess`, "", `${lines[2]}\n${lines[1]}\n`])(
    "that is incomplete throws, and is not taken for complete: %j",
    async (body) => {
      expect(await failureOf(read(body))).toMatchObject({ code: "unexpected_answer" });
    },
  );
});

describe("an id of another system", () => {
  it.each(["a", "A.b_c:d-9", "x".repeat(128), "..."])("that the service accepts stays as it is: %j", (id) => {
    expect(storedId(id)).toBe(id);
  });

  it.each(["", ".", "..", "a b", "a/b", "a\n", "é", "x".repeat(129), `${"x".repeat(128)} `])(
    "that the service refuses is replaced, always by the same id: %j",
    (id) => {
      expect(storedId(id)).toMatch(/^x-[0-9a-f]{16}-\d+$/);
      expect(storedId(id)).toBe(storedId(id));
      expect(storedId(id)).not.toBe(storedId(`${id}/`));
    },
  );
});

describe("the last messages", () => {
  const pageOf = (seqs: number[], nextCursor: string | null): Response =>
    Response.json({ data: seqs.map((seq) => ({ id: `m${seq}`, seq })), hasMore: nextCursor !== null, nextCursor });

  it("are read page by page, and returned in order, as many as requested", async () => {
    const { threadkeep } = scripted([pageOf([5, 6, 7], "5"), pageOf([2, 3, 4], "2")]);
    const messages = await readBack(threadkeep.session("s"), 5, {});
    expect(messages.map(({ seq }) => seq)).toEqual([3, 4, 5, 6, 7]);
  });

  it("are none if there is no session, or none are requested", async () => {
    const { threadkeep, sent } = scripted([problem(404, "session_not_found")]);
    expect(await readBack(threadkeep.session("s"), 0, {})).toEqual([]);
    expect(sent).toHaveLength(0);
    expect(await readBack(threadkeep.session("s"), 5, {})).toEqual([]);
  });
});
