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
  /** The context that `getMessages` gives: its budget is the session's by default, and it brings back no older messages. */
  context?: Omit<ContextRequest, "format" | "atSeq">;
}

/**
 * A `BaseListChatMessageHistory`: what it gives is the context of the session, a summary of the older turns first, then the recent ones
 * word for word, as models of LangChain take them. What is added keeps its id, so that adding it again changes nothing.
 */
export class ThreadkeepChatMessageHistory extends BaseListChatMessageHistory {
  override lc_namespace = ["threadkeep", "langchain"];
  readonly #session: Session;
  readonly #context: HistoryOptions["context"];
  /** What `getMessages` gave. */
  readonly #given = new WeakSet<BaseMessage>();
  readonly #asked = new Asked();

  constructor({ client, sessionId, context }: HistoryOptions) {
    super();
    this.#session = client.session(sessionId);
    this.#context = context;
  }

  override async getMessages(): Promise<BaseMessage[]> {
    try {
      // In this format every call stands before its result, and none is without: providers refuse a history that has halves.
      const { messages } = await this.#session.context({ roles: "as-said", ...this.#context, format: "openai-chat" });
      return this.#asked.noting(
        messages.map((message) => {
          const given = coerceMessageLikeToMessage({ ...message, content: message.content ?? "" });
          this.#given.add(given);
          return given;
        }),
      );
    } catch (error) {
      // A history that was never written to is empty.
      if (error instanceof ThreadkeepError && error.code === "session_not_found") return this.#asked.noting([]);
      throw error;
    }
  }

  override addMessage(message: BaseMessage): Promise<void> {
    return this.addMessages([message]);
  }

  /**
   * What came from `getMessages` is passed over. A `RunnableWithMessageHistory` without `historyMessagesKey` finds what is new by counting, and
   * takes old messages for new ones where a summary has landed since, and new ones for old where somebody else has written since.
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
