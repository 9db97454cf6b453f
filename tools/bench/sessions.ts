// The sessions that a benchmark uses: it creates them, fills them, waits for them, and finally erases them.
import { setTimeout as sleep } from "node:timers/promises";
import { MAX_MESSAGES_PER_APPEND } from "../../src/api/limits.ts";
import { sessionStateSchema, type SessionState } from "../../src/api/session.ts";
import { type Answer, type BenchClient, RequestFailure } from "./client.ts";
import type { Turn } from "./talk.ts";

const SETTLE_POLL_MS = 20;
const SETTLE_TIMEOUT_MS = 120_000;
/** Sessions that are created in parallel while nothing is measured. */
const SETUP_CONCURRENCY = 4;

const APPENDED = [200, 201];

export interface AppendOptions {
  /** The message's id; without it the server assigns one. */
  readonly messageId?: string;
  /** Whether the append also returns the context. */
  readonly withContext?: boolean;
}

export class BenchSessions {
  readonly #client: BenchClient;
  readonly #prefix: string;
  readonly #signal: AbortSignal;
  readonly #made: string[] = [];

  constructor(client: BenchClient, prefix: string, signal: AbortSignal) {
    this.#client = client;
    this.#prefix = prefix;
    this.#signal = signal;
  }

  /** Makes the id of a new session of this run. The first message creates the session. */
  name(suffix: string): string {
    const id = `${this.#prefix}-${suffix}`;
    this.#made.push(id);
    return id;
  }

  append(id: string, turn: Turn, options: AppendOptions = {}): Promise<Answer> {
    const message = options.messageId === undefined ? turn : { id: options.messageId, ...turn };
    const body = JSON.stringify({ messages: [message], ...(options.withContext === true ? { context: {} } : {}) });
    return this.#client.send("POST", `/v1/sessions/${id}/messages`, body, APPENDED);
  }

  async fill(id: string, count: number, talk: () => Turn): Promise<void> {
    for (let left = count; left > 0; left -= MAX_MESSAGES_PER_APPEND) {
      this.#signal.throwIfAborted();
      const messages = Array.from({ length: Math.min(left, MAX_MESSAGES_PER_APPEND) }, talk);
      await this.#client.send("POST", `/v1/sessions/${id}/messages`, JSON.stringify({ messages }), APPENDED);
    }
  }

  async state(id: string): Promise<SessionState> {
    const { body } = await this.#client.send("GET", `/v1/sessions/${id}`, null, [200]);
    return sessionStateSchema.parse(JSON.parse(body.toString("utf8")));
  }

  context(id: string, query = ""): Promise<Answer> {
    return this.#client.send("GET", `/v1/sessions/${id}/context${query}`, null, [200]);
  }

  /** A query goes into the body, because proxies log addresses. */
  contextFor(id: string, query: string): Promise<Answer> {
    return this.#client.send("POST", `/v1/sessions/${id}/context`, JSON.stringify({ query }), [200]);
  }

  /** Resolves when no summary and no vectors are pending, and the archive is complete. */
  async settle(id: string, timeoutMs: number = SETTLE_TIMEOUT_MS): Promise<SessionState> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const state = await this.state(id);
      if (!state.summaryPending && state.archived && state.vectorsPending !== true) return state;
      if (performance.now() > deadline) {
        throw new RequestFailure("not settled", `session ${id} still has pending work after ${timeoutMs / 1_000} s`);
      }
      await sleep(SETTLE_POLL_MS, undefined, { signal: this.#signal });
    }
  }

  /** Requests a summary of all but the last few messages, and waits for it. */
  async summarizeAll(id: string): Promise<void> {
    const body = JSON.stringify({ keepRecentTokens: 0, waitMs: 10_000 });
    await this.#client.send("POST", `/v1/sessions/${id}/summarize`, body, [200, 202]);
    await this.settle(id);
  }

  /** Erases the sessions, so that a service that was not started here is left as it was. */
  async eraseAll(): Promise<void> {
    await inParallel(this.#made, async (id) => {
      await this.#client.send("DELETE", `/v1/sessions/${id}`, null, [200, 202, 204, 404]);
    });
  }
}

export async function inParallel<T>(
  items: readonly T[],
  body: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const queue = items.entries();
  const work = async (): Promise<void> => {
    for (const [index, item] of queue) await body(item, index);
  };
  await Promise.all(Array.from({ length: SETUP_CONCURRENCY }, work));
}
