import { createExecutionContext, createMessageBatch } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import { beforeEach, describe, expect, it } from "vitest";
import type { JobMessage } from "../../src/api/job.ts";
import { withDatabase } from "../../src/archive/database.ts";
import type { Directory } from "../../src/directory/directory.ts";
import { consume } from "../../src/pipeline/consume.ts";
import { ProviderError } from "../../src/provider/provider-error.ts";
import type { ChatSession } from "../../src/session/object.ts";
import { createSummarizerClient } from "../../src/summarizer/client.ts";
import { createSummarizerHandler, IN_PROCESS_SUMMARIZER_URL } from "../../src/summarizer/server.ts";
import { createLog, type Log } from "../../src/telemetry/log.ts";
import {
  chatOf,
  clientOf,
  creationOf,
  freshRef,
  pipelineDeps,
  runInDurableObject,
  scheduleSummary,
  sessionAt,
  type SessionRef,
  stubAt,
  turn,
  until,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";
import { appWith } from "../support/worker-app.ts";

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACE = `00-${TRACE_ID}-00f067aa0ba902b7-01`;

type Entry = Record<string, unknown>;

function listening(): { log: Log; entries: Entry[] } {
  const entries: Entry[] = [];
  return { entries, log: createLog({ write: (_, line) => void entries.push(JSON.parse(line)) }) };
}

const REQUEST = {
  previous: [],
  messages: [{ seq: 1, role: "user" as const, at: "2026-11-22T09:30:00Z", text: "My sister moves to Bergen." }],
  maxTokens: 500,
};

describe("the trace of a request", () => {
  it("is the caller's, in the log and with the work that it causes", async () => {
    const { log, entries } = listening();
    const ref = await chatOf(2);
    const traces: (string | undefined)[] = [];
    const get = () => ({
      ...sessionAt(ref),
      summarize: (_request: object, trace?: string) => {
        traces.push(trace);
        return sessionAt(ref).summarize({});
      },
    });
    const app = appWith({ log }, { sessions: { get } });
    const init = { method: "POST", body: "{}", headers: { Authorization: "ada", "Content-Type": "application/json" } };
    const ask = (traceparent: string) =>
      app.request("http://threadkeep.test/v1/sessions/a/summarize", {
        ...init,
        headers: { ...init.headers, traceparent },
      });
    expect((await ask(TRACE)).status).toBe(202);
    expect((await ask("nonsense")).status).toBe(202);
    const traceIds = entries.filter(({ event }) => event === "request").map(({ traceId }) => traceId);
    expect(traceIds).toEqual([TRACE_ID, expect.stringMatching(/^[0-9a-f]{32}$/)]);
    expect(traces.map((trace) => trace?.slice(3, 35))).toEqual(traceIds);
  });

  it("is passed on with the job that the session sends, and with the archive job that follows", async () => {
    const ref = await chatOf(8);
    const sent: JobMessage[] = [];
    const send = async (message: JobMessage): Promise<void> => void sent.push(message);
    await runInDurableObject(stubAt(ref), async (object, { storage }) => {
      const before = Reflect.get(object, "env");
      Reflect.set(object, "env", { ...before, SUMMARIZE_QUEUE: { send }, ARCHIVE_QUEUE: { send } });
      // The alarm is removed before it can ring, so that only the test sends.
      const pending = object.summarize({ keepRecentTokens: 0 }, TRACE);
      await storage.deleteAlarm();
      const { job } = unwrap(await pending);
      await object.alarm();
      const epoch = sent[0]?.epoch ?? "";
      const step = await object.beginSummary(job?.id ?? "", epoch);
      if (step.next !== "call") throw new Error("expected a call");
      const saved = object.saveAnswer(job?.id ?? "", epoch, step.lease, { items: [], model: "test" });
      await storage.deleteAlarm();
      await saved;
      await object.alarm();
      Reflect.set(object, "env", before);
    });
    expect(sent.map(({ kind, trace }) => ({ kind, trace }))).toEqual([
      { kind: "summarize", trace: TRACE },
      { kind: "archive", trace: TRACE },
    ]);
  });
});

describe("the trace of a request is passed on with the job", () => {
  /** A user for each test, because one of them is erased. */
  let user = "";
  beforeEach(() => {
    user = `tracy-${crypto.randomUUID()}`;
  });

  /** Records what an object sends to the queues from here on. It is sent all the same. */
  function recordSent(stub: DurableObjectStub<ChatSession> | DurableObjectStub<Directory>): Promise<JobMessage[]> {
    const sent: JobMessage[] = [];
    return runInDurableObject<ChatSession | Directory, JobMessage[]>(stub, (object) => {
      const before = Reflect.get(object, "env");
      const recorded = (queue: Queue) => ({
        send: (message: JobMessage) => {
          sent.push(message);
          return queue.send(message);
        },
      });
      const queues = {
        SUMMARIZE_QUEUE: recorded(before.SUMMARIZE_QUEUE),
        ARCHIVE_QUEUE: recorded(before.ARCHIVE_QUEUE),
      };
      Reflect.set(object, "env", { ...before, ...queues });
      return sent;
    });
  }

  const backEnd = appWith({
    authenticate: async () => ({
      kind: "tenant-key",
      id: "deployment-key",
      tenant: "test",
      owner: user,
      scopes: ["memory:read", "memory:write", "memory:erase"],
    }),
  });

  function ask(method: string, path: string, body?: string, type = "application/json"): Promise<Response> {
    const headers = { "Content-Type": type, traceparent: TRACE };
    const init = { method, headers, ...(body === undefined ? {} : { body }) };
    return Promise.resolve(backEnd.request(`http://threadkeep.test/v1${path}`, init));
  }

  async function expectTraced(sent: readonly JobMessage[], kind: string): Promise<void> {
    await until(`a job ${kind} is sent`, async () => sent.some((message) => message.kind === kind));
    const traceIds = sent.filter((message) => message.kind === kind).map(({ trace }) => trace?.slice(3, 35));
    expect(new Set(traceIds)).toEqual(new Set([TRACE_ID]));
  }

  /** A session of the user that is created through its object alone, and so without a trace. */
  async function chat(settings = {}): Promise<SessionRef> {
    const ref = freshRef(user);
    const messages = Array.from({ length: 8 }, (_, at) => turn(at + 1));
    unwrap(await sessionAt(ref).append({ messages }, creationOf(ref, settings)));
    return ref;
  }

  it("of a fork", async () => {
    const source = await chat();
    const fork = freshRef(user);
    const sent = await recordSent(stubAt(fork));
    await ask("POST", `/sessions/${source.session}/fork`, JSON.stringify({ id: fork.session }));
    await expectTraced(sent, "fork");
  });

  it("of an import", async () => {
    const source = await chat({ summarizeAfterTokens: 300, keepRecentTokens: 0 });
    const file = await (await ask("GET", `/sessions/${source.session}/export`)).text();
    const copy = freshRef(user);
    const sent = await recordSent(stubAt(copy));
    // Without the summary that may be there by then.
    const lines = file.split("\n").filter((line) => /"type":"(?:session|message)"/.test(line));
    const end = JSON.stringify({ type: "end", messages: 8, summaries: 0, items: 0, complete: true });
    const answer = await ask(
      "POST",
      `/import?sessionId=${copy.session}`,
      [...lines, end].join("\n"),
      "application/jsonl",
    );
    expect(answer.status).toBe(201);
    await expectTraced(sent, "summarize");
  });

  it("of a continuation", async () => {
    const source = await chat();
    const next = freshRef(user);
    const sent = await recordSent(stubAt(next));
    await ask("POST", "/sessions", JSON.stringify({ id: next.session, continueFrom: source.session }));
    await expectTraced(sent, "restore");
  });

  it("of frames on a socket, with that of the request that opened it", async () => {
    const ref = await chat({ summarizeAfterTokens: 1_000, keepRecentTokens: 0 });
    const sent = await recordSent(stubAt(ref));
    const headers = { Authorization: user, Upgrade: "websocket", traceparent: TRACE };
    const url = `http://threadkeep.test/v1/sessions/${ref.session}/live`;
    const client = clientOf(await backEnd.request(url, { headers }));
    client.send({ type: "append", id: "1", messages: Array.from({ length: 8 }, (_, at) => turn(at + 9)) });
    await expectTraced(sent, "summarize");
    client.socket.close();
  });

  it("of the erasure of a user, and of each session's erasure", async () => {
    const ref = await chat();
    unwrap(await env.DIRECTORY.getByName(`test/${user}`).register(ref, Date.now(), {}));
    const [ofUser, ofSession] = await Promise.all([
      recordSent(env.DIRECTORY.getByName(`test/${user}`)),
      recordSent(stubAt(ref)),
    ]);
    expect((await ask("DELETE", `/users/${user}`)).status).toBe(202);
    await expectTraced(ofUser, "erase-user");
    await expectTraced(ofSession, "erase");
  });
});

describe("the trace of a job", () => {
  it("is in its log, and passed on to the summarizer and to PostgreSQL", async () => {
    const ref = await chatOf(8);
    const { jobId, epoch } = await scheduleSummary(ref);
    const { log, entries } = listening();
    const asked: (string | undefined)[] = [];
    const written: (readonly string[] | undefined)[] = [];
    const parts = pipelineDeps({
      summarizer: {
        summarize: async (_request, _signal, trace) => {
          asked.push(trace);
          throw new ProviderError("timeout", "test");
        },
      },
      withDatabase: (body, traceIds) => {
        written.push(traceIds);
        return withDatabase(env.HYPERDRIVE.connectionString, body, traceIds);
      },
      log,
    });
    const job = { v: 1, kind: "summarize", ...ref, epoch, throughSeq: 4, jobId, sends: 1, trace: TRACE };
    const deliver = (...bodies: object[]): Promise<void> =>
      consume(
        createMessageBatch(
          "threadkeep-summarize",
          bodies.map((body, at) => ({ id: `${at}`, timestamp: Date.now(), attempts: 1, body })),
        ),
        parts,
      );
    await withoutAlarm(ref, async () => undefined);
    await deliver(job);
    expect(asked).toEqual([TRACE]);
    expect(entries.map(({ event, traceId, jobId: id }) => [event, traceId, id])).toEqual([
      ["job_failed", TRACE_ID, jobId],
      ["job", TRACE_ID, jobId],
    ]);
    await runInDurableObject(stubAt(ref), (_, { storage }) => {
      storage.sql.exec("UPDATE jobs SET kind = 'archive'");
      storage.sql.exec("UPDATE session SET archive_rev = 1");
    });
    await deliver({ ...job, kind: "archive" });
    expect(written).toEqual([[TRACE_ID], [TRACE_ID]]);
  });

  it("begins each statement, as PostgreSQL sees it, and cannot contain anything else", async () => {
    const seen = (traceIds?: readonly string[]): Promise<string> =>
      withDatabase(
        env.HYPERDRIVE.connectionString,
        (database) =>
          database.transaction(async (transaction) => {
            const { rows } = await transaction.execute<{ query: string }>(
              sql`SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid() AND ${1}::int = 1`,
            );
            return rows[0]?.query ?? "";
          }),
        traceIds,
      );
    expect(await seen([TRACE_ID, TRACE_ID])).toMatch(new RegExp(`^/\\* trace ${TRACE_ID} \\*/ SELECT`));
    expect(await seen(["*/ DROP TABLE sessions; --"])).toMatch(/^SELECT/);
    expect(await seen()).toMatch(/^SELECT/);
  });

  it("reaches the agent as a header, and is in its log", async () => {
    const { log, entries } = listening();
    const failing = {
      name: "test",
      summarize: async (): Promise<never> => {
        throw new ProviderError("refused", "test");
      },
    };
    const handler = createSummarizerHandler(failing, log);
    const headers: (string | null)[] = [];
    const client = createSummarizerClient({
      url: IN_PROCESS_SUMMARIZER_URL,
      timeoutMs: 10_000,
      name: "test",
      fetch: (request) => {
        headers.push(request.headers.get("traceparent"));
        return handler(request, {}, createExecutionContext());
      },
    });
    await expect(client.summarize(REQUEST, undefined, TRACE)).rejects.toThrow("refused");
    expect(headers.length).toBeGreaterThan(0);
    for (const header of headers) expect(header).toContain(`00-${TRACE_ID}-`);
    expect(entries).toMatchObject([{ event: "model_failed", traceId: TRACE_ID }]);
  });
});
