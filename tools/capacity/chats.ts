// The chats whose cost is measured. Each belongs to a user of its own, who has a number of turns a day and is silent in between.
import { setTimeout as sleep } from "node:timers/promises";
import type { OperationName } from "../../scripts/bill/measured.ts";
import type { Service } from "../../scripts/dev/service.ts";
import { sessionStateSchema, type SessionState } from "../../src/api/session.ts";
import { createTalk } from "../bench/talk.ts";

/** The shortest silence after which a session may be summarized, so that a day takes seconds. The work is the same as after half an hour. */
const IDLE_SECONDS = 20;
const POLL_MS = 250;
const SETTLE_TIMEOUT_MS = 120_000;

export interface Said {
  readonly operation: OperationName;
  readonly requestId: string;
}

export class Chats {
  readonly said: Said[] = [];
  /** A second instance on the same data continues where this one ended. */
  service: Service;
  readonly #talks = new Map<string, () => string>();
  #count = 0;

  constructor(service: Service) {
    this.service = service;
  }

  /** The first request creates what all later ones find. It is not counted. */
  async warmUp(): Promise<void> {
    await this.turn("before", "askWarm");
    this.said.splice(-2);
  }

  /** A turn: a question, which returns the context, and then its answer. */
  async turn(session: string, asked: OperationName): Promise<void> {
    await this.ask(session, asked);
    await this.answer(session);
  }

  /** So many turns of each session, one session after the other. The first question of each is `first`. */
  async turns(sessions: readonly string[], count: number, first: OperationName): Promise<void> {
    for (const session of sessions) {
      await this.turn(session, first);
      for (let turn = 2; turn <= count; turn += 1) await this.turn(session, "askWarm");
    }
  }

  async ask(session: string, operation: OperationName): Promise<void> {
    await this.#append(operation, session, "user", this.#say(session), true);
  }

  async answer(session: string): Promise<void> {
    await this.#append("answer", session, "assistant", `${this.#say(session)} ${this.#say(session)}`, false);
  }

  /** Creates the session explicitly, because its silence has to be set to a short one before the first message. */
  async create(session: string): Promise<void> {
    await this.#send("POST", "/sessions", session, {
      id: session,
      settings: { summarizeAfterIdleSeconds: IDLE_SECONDS },
    });
  }

  async state(session: string): Promise<SessionState> {
    const { body } = await this.#send("GET", `/sessions/${session}`, session);
    return sessionStateSchema.parse(body);
  }

  /** Waits until the silence has led to a summary, and the summary is archived. */
  async fallSilent(sessions: readonly string[], version: number): Promise<void> {
    const deadline = Date.now() + SETTLE_TIMEOUT_MS;
    await sleep(IDLE_SECONDS * 1_000);
    for (const session of sessions) {
      for (;;) {
        const { summary, summaryPending, archived } = await this.state(session);
        if ((summary?.version ?? 0) >= version && !summaryPending && archived) break;
        if (Date.now() > deadline)
          throw new Error(`Version ${version} of the summary of ${session} was not made in time.`);
        await sleep(POLL_MS);
      }
    }
  }

  #say(session: string): string {
    const talk = this.#talks.get(session) ?? createWords(this.#talks.size + 1);
    this.#talks.set(session, talk);
    return talk();
  }

  async #append(
    operation: OperationName,
    session: string,
    role: string,
    content: string,
    hasContext: boolean,
  ): Promise<void> {
    this.#count += 1;
    const messages = [{ id: `m${this.#count}`, role, content }];
    const body = { messages, ...(hasContext ? { context: { format: "openai-chat" } } : {}) };
    const { requestId } = await this.#send("POST", `/sessions/${session}/messages`, session, body);
    this.said.push({ operation, requestId });
  }

  async #send(
    method: string,
    path: string,
    user: string,
    body?: object,
  ): Promise<{ readonly body: unknown; readonly requestId: string }> {
    const response = await fetch(`${this.service.url}/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.service.apiKey}`,
        "threadkeep-user": user,
        "content-type": "application/json",
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return { body: JSON.parse(text), requestId: response.headers.get("x-request-id") ?? "" };
  }
}

function createWords(seed: number): () => string {
  const talk = createTalk(seed);
  return () => talk().content;
}
