// One live session, as its customer's back end knows it: what it sent, and what the service answered.
import { z } from "zod";
import { MAX_MESSAGES_PER_APPEND } from "../../src/api/limits.ts";
import { appendedMessageSchema } from "../../src/api/message.ts";
import { sessionName } from "../../src/api/session.ts";
import type { Answer } from "../bench/client.ts";
import { createTalk, type Turn } from "../bench/talk.ts";
import { shardOf } from "../rig/shards.ts";
import type { Access, Customer } from "./customers.ts";

const APPENDED = [200, 201];
/** The beginning of an append's answer says what was stored. The context of 50 KB after it is not parsed, because the client itself would then be measured. */
const HEAD_BYTES = 16_384;
const STORED = /^\{"messages":(\[[^\]]*\])/;
const PENDING = '"summaryPending":true';

const storedSchema = z.array(appendedMessageSchema);

/** An append that was answered; times in ms since 1970. */
export interface SentAppend {
  readonly sentAt: number;
  /** Whether its context said that a summary was pending; null if no context was requested. */
  readonly isPending: boolean | null;
}

export class Chat {
  readonly id: string;
  readonly user: string;
  readonly tenant: string;
  readonly access: Access;
  readonly seed: number;
  /** The seq that each message was acknowledged with, by the message's number; 0 if it was sent but not answered. */
  readonly seqs: number[] = [];
  /** The appends of the load, without those of the session's past. */
  readonly appends: SentAppend[] = [];
  readonly #talk: () => Turn;

  constructor(name: string, customer: Customer, seed: number) {
    this.id = name;
    this.user = `user-of-${name}`;
    this.tenant = customer.tenant;
    this.seed = seed;
    const shard = shardOf(
      sessionName({ tenant: customer.tenant, owner: this.user, session: name }),
      customer.access.length,
    );
    const access = customer.access[shard];
    if (access === undefined) throw new Error(`there is no shard ${shard}`);
    this.access = access;
    this.#talk = createTalk(seed);
  }

  get acknowledged(): number {
    return this.seqs.filter((seq) => seq > 0).length;
  }

  /** Appends the session's past. The first message creates the session. */
  async fill(count: number, send: (body: string) => Promise<Answer>): Promise<void> {
    for (let left = count; left > 0; left -= MAX_MESSAGES_PER_APPEND) {
      const messages = this.#say(Math.min(left, MAX_MESSAGES_PER_APPEND));
      this.#note(messages, await send(JSON.stringify({ messages })));
    }
  }

  /** Sends the next message. */
  async append(withContext: boolean): Promise<Answer> {
    const messages = this.#say(1);
    const body = JSON.stringify({ messages, ...(withContext ? { context: {} } : {}) });
    const sentAt = Date.now();
    const answer = await this.send("POST", "/messages", body);
    this.#note(messages, answer);
    this.appends.push({ sentAt, isPending: withContext ? answer.body.includes(PENDING) : null });
    return answer;
  }

  context(): Promise<Answer> {
    return this.send("GET", "/context", null);
  }

  /** @param path the path after that of the session */
  send(method: string, path: string, body: string | null): Promise<Answer> {
    return this.access.client.send(
      method,
      `/v1/sessions/${this.id}${path}`,
      body,
      method === "POST" ? APPENDED : [200],
      this.user,
    );
  }

  /** All messages that it ever sent, in order, by their ids. */
  script(): Map<string, Turn> {
    const talk = createTalk(this.seed);
    return new Map(this.seqs.map((_, index) => [messageId(index), talk()]));
  }

  #say(count: number): (Turn & { readonly id: string })[] {
    return Array.from({ length: count }, () => {
      this.seqs.push(0);
      return { id: messageId(this.seqs.length - 1), ...this.#talk() };
    });
  }

  #note(messages: readonly { readonly id: string }[], { body }: Answer): void {
    const stored = storedSchema.parse(JSON.parse(STORED.exec(body.toString("utf8", 0, HEAD_BYTES))?.[1] ?? "[]"));
    const seqs = new Map(stored.map(({ id, seq }) => [id, seq]));
    for (const { id } of messages) {
      const seq = seqs.get(id);
      if (seq === undefined)
        throw new Error(`an append to ${this.id} was answered, but the answer does not contain ${id}`);
      this.seqs[numberOf(id)] = seq;
    }
  }
}

/** @internal A test finds a writer's messages by it. */
export function messageId(number: number): string {
  return `m-${number}`;
}

function numberOf(id: string): number {
  return Number(id.slice(2));
}
