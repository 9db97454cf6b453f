/** Threadkeep as the session of an agent of the OpenAI Agents SDK. */

import type {
  AgentInputItem,
  OpenAIResponsesCompactionArgs,
  OpenAIResponsesCompactionAwareSession,
  SessionHistoryRewriteArgs,
  SessionHistoryRewriteAwareSession,
  SessionHistoryTransactionArgs,
  SessionHistoryTransactionAwareSession,
} from "@openai/agents-core";
import { batchesOf } from "../batches.ts";
import type { Threadkeep } from "../client.ts";
import type { Context } from "../context.ts";
import type { Message, NewMessage } from "../contract.ts";
import { invalidArgument, ThreadkeepError } from "../errors.ts";
import { newestFirst } from "../read-back.ts";
import type { Session } from "../session.ts";
import { fingerprint, storedId } from "../stored-id.ts";
import { canonical } from "./kept.ts";
import { renderSummary } from "./summary.ts";
import {
  compactedItems,
  compactionContent,
  editedContent,
  isUntold,
  itemsOf,
  operationOf,
  toMessages,
  withOperation,
} from "./to-messages.ts";

export interface SessionOptions {
  client: Threadkeep;
  sessionId: string;
  /** Of the history that a run begins with: by default the session's. */
  maxTokens?: number;
}

/** As many of the newest messages are read at once to find an item. */
const PAGE = 20;
const MAX_PAGE = 100;
/** One append takes as many, and a transaction is one append. */
const MAX_MESSAGES = 100;

const IS_UNKNOWN: ReadonlySet<string> = new Set(["session_not_found", "message_not_found"]);

/**
 * A `Session` whose history is a Threadkeep session. A run begins with its context: the summary of what is old as the first item, then
 * all that was said since, item by item as it was given. What is taken back or replaced is gone from the history; after
 * `applyHistoryTransaction` it stays readable as another branch of the session.
 */
export class ThreadkeepAgentsSession
  implements
    SessionHistoryRewriteAwareSession,
    SessionHistoryTransactionAwareSession,
    OpenAIResponsesCompactionAwareSession
{
  readonly #session: Session;
  readonly #maxTokens: number | undefined;

  constructor({ client, sessionId, maxTokens }: SessionOptions) {
    this.#session = client.session(sessionId);
    this.#maxTokens = maxTokens;
  }

  async getSessionId(): Promise<string> {
    return this.#session.id;
  }

  /**
   * Without a limit: the history for the next run, within the budget of the session, its summary first. With one: as many of the newest
   * items, whatever a summary covers.
   */
  async getItems(limit?: number): Promise<AgentInputItem[]> {
    if (limit !== undefined) return limit <= 0 ? [] : await this.#newestItems(limit);
    const context = await this.#orNothing(this.#session.context({ format: "threadkeep", maxTokens: this.#maxTokens }));
    if (context === null) return [];
    const { items, isCompacted } = await this.#itemsOfWindow(context);
    if (isCompacted) return items;
    const told = renderSummary(context.summary?.items ?? []);
    return [...(told === null ? [] : [{ type: "message", role: "user", content: told } as const]), ...withCalls(items)];
  }

  async addItems(items: AgentInputItem[]): Promise<void> {
    for (const batch of batchesOf(toMessages(items))) await this.#session.append(batch);
  }

  async popItem(): Promise<AgentInputItem | undefined> {
    for await (const message of newestFirst(this.#session, PAGE, {})) {
      const items = itemsOf(message);
      const popped = items.pop();
      if (popped === undefined) continue;
      if (items.length === 0) await this.#session.erase(message.id);
      else await this.#session.edit(message.id, { content: editedContent(message, items) });
      return popped;
    }
    return undefined;
  }

  /** Erases the session: it begins anew with the next item. */
  async clearSession(): Promise<void> {
    await this.#orNothing(this.#session.delete());
  }

  /** As the SDK's own sessions do it: the first call of that id is replaced, and others of the same id go. */
  async applyHistoryMutations({ mutations }: SessionHistoryRewriteArgs): Promise<void> {
    for (const { callId, replacement } of mutations) {
      const changes: [Message, AgentInputItem[]][] = [];
      const isCall = (item: AgentInputItem): boolean => item.type === "function_call" && item.callId === callId;
      for await (const message of newestFirst(this.#session, PAGE, {})) {
        const items = itemsOf(message);
        if (items.some(isCall)) changes.unshift([message, items]);
      }
      let isKept = false;
      for (const [message, items] of changes) {
        const changed = items.flatMap((item) => {
          if (!isCall(item)) return [item];
          if (isKept) return [];
          isKept = true;
          return [replacement];
        });
        if (changed.length === 0) await this.#session.erase(message.id);
        else await this.#session.edit(message.id, { content: editedContent(message, changed) });
      }
    }
  }

  /** One append: all of it is stored or nothing, and the same operation again changes nothing. */
  async applyHistoryTransaction({ operationId, transaction }: SessionHistoryTransactionArgs): Promise<void> {
    if (typeof operationId !== "string" || operationId.trim() === "") {
      throw invalidArgument("The operationId of a transaction must be a text that says something.");
    }
    const mark = fingerprint(canonical(transaction));
    const firstId = storedId(`operation.${operationId}`);
    if (await this.#isApplied(firstId, mark)) return;
    const { messages, ...place } =
      transaction.type === "append_items"
        ? { messages: toMessages(transaction.items) }
        : await this.#planReplacement(transaction.expectedSuffix, transaction.replacement);
    if (messages.length > MAX_MESSAGES) {
      throw invalidArgument(`A transaction of more than ${MAX_MESSAGES} messages is not one append. Give it in parts.`);
    }
    const { afterSeq, expectedHeadSeq } = { afterSeq: undefined, expectedHeadSeq: undefined, ...place };
    // One of no items has a message as well: that it was applied is known by it.
    const [first = { role: "assistant", content: "" } as const, ...others] = messages;
    const batch: NewMessage[] = [
      { ...withOperation(first, operationId, mark), id: firstId, afterSeq },
      ...others.map((message, at) => ({ ...message, id: storedId(`${firstId}.${at + 1}`) })),
    ];
    try {
      await this.#session.append(batch, { expectedHeadSeq });
    } catch (error) {
      if (!(error instanceof ThreadkeepError && error.code === "message_conflict")) throw error;
      // Another process was faster with the same operation.
      if (!(await this.#isApplied(firstId, mark))) throw error;
    }
  }

  /** The SDK compacted the history itself: what it gives stands for all of it, here. Other frameworks go on with the log and its summary. */
  async replaceHistoryWithCompaction(items: AgentInputItem[]): Promise<void> {
    await this.#session.append({ role: "assistant", content: compactionContent(items) });
  }

  /** The service makes its summaries by itself, in the background. With `force` one is made now, if there is something to summarize. */
  async runCompaction(args: OpenAIResponsesCompactionArgs = {}): Promise<null> {
    if (args.force === true) await this.#orNothing(this.#session.summarize({ waitMs: 10_000 }));
    return null;
  }

  async #newestItems(limit: number): Promise<AgentInputItem[]> {
    const read: AgentInputItem[] = [];
    for await (const message of newestFirst(this.#session, Math.min(limit, MAX_PAGE), {})) {
      read.unshift(...itemsOf(message));
      if (read.length >= limit || compactedItems(message.content) !== null) break;
    }
    return read.slice(-limit);
  }

  /** A context has the parts that models are told; what keeps items whole is read from the log. */
  async #itemsOfWindow({ messages }: Context): Promise<{ items: AgentInputItem[]; isCompacted: boolean }> {
    const window = new Map(messages.map((message) => [message.seq, message]));
    const read: AgentInputItem[][] = [];
    for await (const message of newestFirst(this.#session, Math.min(messages.length + PAGE, MAX_PAGE), {})) {
      const inContext = window.get(message.seq);
      if (inContext === undefined && message.erased !== true && !isUntold(message.content)) break;
      window.delete(message.seq);
      read.push(itemsOf(inContext?.cut === true ? inContext : message));
      if (compactedItems(message.content) !== null) return { items: read.toReversed().flat(), isCompacted: true };
    }
    // Instructions and a question from before the newest messages.
    const earlier = [...window.values()].flatMap((message) => itemsOf(message));
    return { items: [...earlier, ...read.toReversed().flat()], isCompacted: false };
  }

  /** What stays before a suffix, and where the replacement goes. */
  async #planReplacement(suffix: readonly AgentInputItem[], replacement: readonly AgentInputItem[]) {
    const after: AgentInputItem[] = [];
    let first: Message | null = null;
    let headSeq = 0;
    for await (const message of newestFirst(this.#session, PAGE, {})) {
      headSeq = Math.max(headSeq, message.seq);
      if (first !== null && (after.length >= suffix.length || compactedItems(first.content) !== null)) break;
      first = message;
      after.unshift(...itemsOf(message));
    }
    const kept = after.length - suffix.length;
    if (kept < 0 || canonical(after.slice(kept)) !== canonical(suffix)) {
      throw invalidArgument("The history does not end with what the transaction is to replace. Read it anew.");
    }
    const messages = toMessages(replacement);
    if (suffix.length === 0 || first === null) return { messages, expectedHeadSeq: headSeq };
    // What stays of the message in which the suffix begins is said again on the branch that replaces it.
    if (kept > 0) messages.unshift({ role: first.role, content: editedContent(first, after.slice(0, kept)) });
    return { messages, afterSeq: first.afterSeq ?? first.seq - 1, expectedHeadSeq: headSeq };
  }

  async #isApplied(messageId: string, mark: string): Promise<boolean> {
    const stored = await this.#orNothing(this.#session.message(messageId));
    if (stored === null) return false;
    const operation = operationOf(stored.content);
    const isSame = typeof operation === "object" && operation !== null && Reflect.get(operation, "mark") === mark;
    if (isSame || stored.erased === true) return true;
    throw invalidArgument(
      "An operation of this id was applied already, with another transaction. Give it an id of its own.",
    );
  }

  /** A session that was never written to is empty. */
  async #orNothing<T>(asked: Promise<T>): Promise<T | null> {
    try {
      return await asked;
    } catch (error) {
      if (error instanceof ThreadkeepError && IS_UNKNOWN.has(error.code)) return null;
      throw error;
    }
  }
}

/** Without results whose calls are in the summary, or were never there: no provider takes one without the other. */
function withCalls(items: readonly AgentInputItem[]): AgentInputItem[] {
  const called = new Set<string>();
  return items.filter((item) => {
    const id = "callId" in item ? item.callId : undefined;
    if (typeof id !== "string") return true;
    const isResult = item.type?.endsWith("_result") === true || item.type?.endsWith("_output") === true;
    if (!isResult) called.add(id);
    return called.has(id);
  });
}
