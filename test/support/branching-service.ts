import { type LoopbackServer, sendJson, serveOnLoopback } from "../../scripts/dev/loopback-server.ts";
import { appendRequestSchema } from "../../src/api/append.ts";
import type { NewMessage } from "../../src/api/message.ts";
import { branchRequestSchema, type SessionState } from "../../src/api/session.ts";
import { transferLineSchema } from "../../src/api/transfer.ts";

/** Keeps to the contract of append, branches and dated beginnings, in memory: what an import is told of, without a service. */

interface Stored extends NewMessage {
  readonly follows: number;
}

export class Log {
  readonly messages: Stored[] = [];
  readonly createdAt: string | undefined;
  readonly metadata: Record<string, unknown>;
  headSeq = 0;

  constructor(createdAt: string | undefined, metadata: Record<string, unknown>) {
    this.createdAt = createdAt;
    this.metadata = metadata;
  }

  /** The messages of the active branch, the first one first. */
  active(): Stored[] {
    const branch: Stored[] = [];
    for (let seq = this.headSeq; seq > 0;) {
      const message = this.messages[seq - 1];
      if (message === undefined) throw new Error(`there is no message ${seq}`);
      branch.unshift(message);
      seq = message.follows;
    }
    return branch;
  }
}

type Answer = { readonly status: number; readonly body: object };

export class BranchingService {
  readonly logs = new Map<string, Log>();
  appends = 0;
  switches = 0;
  #server: LoopbackServer | undefined;

  get url(): string {
    return this.#server?.url ?? "";
  }

  async start(): Promise<void> {
    this.#server = await serveOnLoopback(async (request, response, bytes) => {
      const { pathname, searchParams } = new URL(request.url ?? "", this.url);
      const { status, body } = this.#answer(`${request.method} ${pathname}`, searchParams, bytes.toString("utf8"));
      sendJson(response, status, body);
    });
  }

  async stop(): Promise<void> {
    await this.#server?.close();
  }

  #answer(asked: string, query: URLSearchParams, text: string): Answer {
    if (asked === "POST /v1/import") return this.#begin(query.get("sessionId") ?? "", text);
    if (asked === "POST /v1/sessions") {
      const { id, metadata = {} }: { id: string; metadata?: Record<string, unknown> } = JSON.parse(text);
      if (!this.logs.has(id)) this.logs.set(id, new Log(undefined, metadata));
      return { status: 201, body: {} };
    }
    const [, method = "", id = "", action = ""] = /^(\w+) \/v1\/sessions\/([^/]+)\/?(.*)$/.exec(asked) ?? [];
    const session = decodeURIComponent(id);
    const log = this.logs.get(session) ?? new Log(undefined, {});
    this.logs.set(session, log);
    if (method === "POST" && action === "messages") return this.#append(log, JSON.parse(text));
    if (method === "PUT" && action === "branch") {
      const { headSeq } = branchRequestSchema.parse(JSON.parse(text));
      if (headSeq > log.messages.length) return problem(422, "validation_failed");
      this.switches += 1;
      log.headSeq = headSeq;
      return { status: 200, body: {} };
    }
    return { status: 200, body: stateOf(session, log) };
  }

  #begin(session: string, text: string): Answer {
    const [first] = text
      .trim()
      .split("\n")
      .map((line) => transferLineSchema.parse(JSON.parse(line)));
    if (first?.type !== "session") return problem(422, "validation_failed");
    if (this.logs.has(session)) return problem(409, "session_exists");
    this.logs.set(session, new Log(first.createdAt, first.metadata));
    return { status: 201, body: {} };
  }

  #append(log: Log, body: unknown): Answer {
    this.appends += 1;
    const parsed = appendRequestSchema.safeParse(body);
    if (!parsed.success || parsed.data.format !== undefined) return problem(422, "validation_failed");
    const answers: { id: string; seq: number; created: boolean }[] = [];
    let follows = log.headSeq;
    for (const message of parsed.data.messages) {
      const id = message.id ?? "";
      const at = log.messages.findIndex((stored) => stored.id === id);
      if (at >= 0) {
        const { follows: _, ...stored } = log.messages[at] ?? {};
        if (JSON.stringify(stored) !== JSON.stringify(message)) return problem(409, "message_conflict");
        answers.push({ id, seq: at + 1, created: false });
        continue;
      }
      const after = message.afterSeq ?? follows;
      if (after > log.messages.length) return problem(422, "validation_failed");
      log.messages.push({ ...message, follows: after });
      log.headSeq = log.messages.length;
      follows = log.headSeq;
      answers.push({ id, seq: log.headSeq, created: true });
    }
    return { status: 200, body: { messages: answers, headSeq: log.headSeq } };
  }
}

function problem(status: number, code: string): Answer {
  const body = { type: "about:blank", title: code, status, code, detail: `because of ${code}`, requestId: "r1" };
  return { status, body };
}

function stateOf(id: string, { headSeq, messages, createdAt = "", metadata }: Log): SessionState {
  return {
    id,
    createdAt,
    headSeq,
    lastSeq: messages.length,
    messageTokens: 0,
    messageBytes: 0,
    summary: null,
    summaryPending: false,
    archived: true,
    status: "active",
    origin: null,
    expiresAt: null,
    metadata,
    settings: {},
  };
}
