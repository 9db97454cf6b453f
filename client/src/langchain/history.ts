/** Threadkeep as the message history of LangChain.js. */

import { BaseListChatMessageHistory } from "@langchain/core/chat_history";
import { type BaseMessage, coerceMessageLikeToMessage } from "@langchain/core/messages";
import { batchesOf } from "../batches.ts";
import type { Threadkeep } from "../client.ts";
import type { ContextRequest } from "../context.ts";
import { ThreadkeepError } from "../errors.ts";
import type { Session } from "../session.ts";
import { Asked } from "./asked.ts";
import { toStored } from "./messages.ts";

export interface HistoryOptions {
  client: Threadkeep;
  sessionId: string;
  /**
   * Options of the context that `getMessages` returns. By default it has the session's budget, and no older messages
   * are retrieved.
   */
  context?: Omit<ContextRequest, "format" | "atSeq">;
}

/**
 * A `BaseListChatMessageHistory`. `getMessages` returns the context of the session as LangChain messages: a summary of
 * the older messages, then the recent messages verbatim. Added messages keep their ids, so adding one again changes
 * nothing.
 */
export class ThreadkeepChatMessageHistory extends BaseListChatMessageHistory {
  override lc_namespace = ["threadkeep", "langchain"];
  readonly #session: Session;
  readonly #context: HistoryOptions["context"];
  /** The messages that `getMessages` returned. */
  readonly #given = new WeakSet<BaseMessage>();
  readonly #asked = new Asked();

  constructor({ client, sessionId, context }: HistoryOptions) {
    super();
    this.#session = client.session(sessionId);
    this.#context = context;
  }

  override async getMessages(): Promise<BaseMessage[]> {
    try {
      // In this format every tool call has a result directly after it, which providers require.
      const { messages } = await this.#session.context({ roles: "as-said", ...this.#context, format: "openai-chat" });
      return this.#asked.noting(
        messages.map((message) => {
          const given = coerceMessageLikeToMessage({ ...message, content: message.content ?? "" });
          this.#given.add(given);
          return given;
        }),
      );
    } catch (error) {
      // A session that does not exist is an empty history.
      if (error instanceof ThreadkeepError && error.code === "session_not_found") return this.#asked.noting([]);
      throw error;
    }
  }

  override addMessage(message: BaseMessage): Promise<void> {
    return this.addMessages([message]);
  }

  /**
   * Messages that `getMessages` returned are skipped. A `RunnableWithMessageHistory` without `historyMessagesKey`
   * determines the new messages by counting, which is wrong if a new summary or another writer has changed the history
   * meanwhile.
   */
  override async addMessages(messages: BaseMessage[]): Promise<void> {
    const added = this.#asked.restore(messages);
    const stored = added.filter((message) => !this.#given.has(message)).map(toStored);
    for (const batch of batchesOf(stored)) await this.#session.append(batch);
  }

  /** Erases the session. */
  override async clear(): Promise<void> {
    try {
      await this.#session.delete();
    } catch (error) {
      if (!(error instanceof ThreadkeepError && error.code === "session_not_found")) throw error;
    }
  }
}
