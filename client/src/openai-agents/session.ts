/** Threadkeep as the session of the OpenAI Agents SDK. */

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
  /** Token budget of the history at the start of a run; by default the session's. */
  maxTokens?: number;
}

/** How many of the newest messages are read at once to find an item. */
const PAGE = 20;
const MAX_PAGE = 100;
/** The most messages in one append. A transaction must be one append. */
const MAX_MESSAGES = 100;

const IS_UNKNOWN: ReadonlySet<string> = new Set(["session_not_found", "message_not_found"]);

/**
 * A `Session` of the OpenAI Agents SDK that is stored as a Threadkeep session. A run starts with its context: the
 * summary of older messages as the first item, then all later items unchanged. Items that are popped or replaced are
 * removed from the history; after `applyHistoryTransaction` they can still be read on another branch of the session.
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
   * Without a limit: the history for the next run, within the session's budget, starting with its summary. With a
   * limit: that many of the newest items, whether or not a summary covers them.
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

  /** Erases the session. The next item creates it again. */
  async clearSession(): Promise<void> {
    await this.#orNothing(this.#session.delete());
  }

  /**
   * Works like the SDK's own sessions: the first call with the id is replaced, and further calls with the same id are
   * removed.
   */
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

  /**
   * Applies a transaction in one append: either all of it is stored or nothing, and repeating the operation changes
   * nothing.
   */
  async applyHistoryTransaction({ operationId, transaction }: SessionHistoryTransactionArgs): Promise<void> {
    if (typeof operationId !== "string" || operationId.trim() === "") {
      throw invalidArgument("The operationId of a transaction must be a non-empty string.");
    }
    const mark = fingerprint(canonical(transaction));
    const firstId = storedId(`operation.${operationId}`);
    if (await this.#isApplied(firstId, mark)) return;
    const { messages, ...place } =
      transaction.type === "append_items"
        ? { messages: toMessages(transaction.items) }
        : await this.#planReplacement(transaction.expectedSuffix, transaction.replacement);
    if (messages.length > MAX_MESSAGES) {
      throw invalidArgument(
        `A transaction can have at most ${MAX_MESSAGES} messages, because it must be one append. Split it.`,
      );
    }
    const { afterSeq, expectedHeadSeq } = { afterSeq: undefined, expectedHeadSeq: undefined, ...place };
    // A transaction without items gets a message too, which records that it was applied.
    const [first = { role: "assistant", content: "" } as const, ...others] = messages;
    const batch: NewMessage[] = [
      { ...withOperation(first, operationId, mark), id: firstId, afterSeq },
      ...others.map((message, at) => ({ ...message, id: storedId(`${firstId}.${at + 1}`) })),
    ];
    try {
      await this.#session.append(batch, { expectedHeadSeq });
    } catch (error) {
      if (!(error instanceof ThreadkeepError && error.code === "message_conflict")) throw error;
      // Another process has applied the same operation first.
      if (!(await this.#isApplied(firstId, mark))) throw error;
    }
  }

  /**
   * Replaces the history with the SDK's own compaction, for this SDK only. Other frameworks continue to use the log and
   * its summary.
   */
  async replaceHistoryWithCompaction(items: AgentInputItem[]): Promise<void> {
    await this.#session.append({ role: "assistant", content: compactionContent(items) });
  }

  /**
   * The service makes summaries automatically, in the background. With `force` one is requested now, if there is
   * something to summarize.
   */
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

  /**
   * The items of a context. A context only has the parts that models see, so the complete items are read from the log.
   */
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
    // Instructions, and a question that is older than the newest messages.
    const earlier = [...window.values()].flatMap((message) => itemsOf(message));
    return { items: [...earlier, ...read.toReversed().flat()], isCompacted: false };
  }

  /** The messages of a replacement, and where they go. */
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
      throw invalidArgument("The history does not end with the items that the transaction replaces. Read it again.");
    }
    const messages = toMessages(replacement);
    if (suffix.length === 0 || first === null) return { messages, expectedHeadSeq: headSeq };
    // If the suffix starts within a message, the remaining items of that message are appended again on the new branch.
    if (kept > 0) messages.unshift({ role: first.role, content: editedContent(first, after.slice(0, kept)) });
    return { messages, afterSeq: first.afterSeq ?? first.seq - 1, expectedHeadSeq: headSeq };
  }

  async #isApplied(messageId: string, mark: string): Promise<boolean> {
    const stored = await this.#orNothing(this.#session.message(messageId));
    if (stored === null) return false;
    const operation = operationOf(stored.content);
    const isSame = typeof operation === "object" && operation !== null && Reflect.get(operation, "mark") === mark;
    if (isSame || stored.erased === true) return true;
    throw invalidArgument("An operation with this id was already applied with another transaction. Use another id.");
  }

  /** Null if the session or message does not exist. */
  async #orNothing<T>(asked: Promise<T>): Promise<T | null> {
    try {
      return await asked;
    } catch (error) {
      if (error instanceof ThreadkeepError && IS_UNKNOWN.has(error.code)) return null;
      throw error;
    }
  }
}

/**
 * Removes results without calls, for example because the call is in the summary. Providers refuse a result without its
 * call.
 */
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
