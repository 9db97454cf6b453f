/** Threadkeep as the memory of a chat with the Vercel AI SDK. */

import type { ModelMessage, UIMessage } from "ai";
import type { Threadkeep } from "../client.ts";
import type { CallOptions } from "../connection.ts";
import type { AiSdkContext, ContextRequest } from "../context.ts";
import type { Content, Message, NewMessage, Part } from "../contract.ts";
import { readBack } from "../read-back.ts";
import type { Session } from "../session.ts";
import { storedId } from "../stored-id.ts";
import { toResponseParts } from "./response-parts.ts";
import { tidy, toStored, toUiMessage } from "./ui-parts.ts";

export interface MemoryOptions {
  client: Threadkeep;
  sessionId: string;
  /** What the model is told besides; what the session holds of system messages follows it. */
  instructions?: string;
  /** The context that the model gets: `query` is `auto` by default, the budget the session's. */
  context?: Omit<ContextRequest<"ai-sdk">, "format" | "atSeq">;
}

/** What goes into `streamText` or `generateText`. */
export interface Prepared {
  messages: ModelMessage[];
  instructions?: string;
}

/** As many messages go into one append. */
const MAX_APPEND = 100;

/** What the SDK tells of an answer that is over, as far as it matters here. */
export interface FinishedAnswer {
  readonly responseMessages: readonly ModelMessage[];
  readonly finishReason: string;
}

/** The memory of one request. Make one for each: it holds which answer belongs to it. */
export interface Memory {
  /**
   * Appends what the session has not seen of the chat, and gives the context for the next call of the model. A message that the
   * user saw but no callback brought here, as after an abort, is appended as they saw it.
   */
  prepare(messages: readonly UIMessage[], options?: CallOptions): Promise<Prepared>;
  /**
   * For `onFinish` or `onEnd`: appends what the model said, all steps in one message. Of a stream that failed it appends nothing,
   * and one that was aborted never comes here: the next `prepare` brings what the user saw of them.
   */
  onFinish(event: FinishedAnswer): Promise<void>;
  /** For `generateMessageId` of `toUIMessageStreamResponse`: so the answer has one id in the page and in the session. */
  messageId(): string;
  /** The newest messages as `useChat` shows them, oldest first; for its `messages`. 100 by default. */
  history(options?: CallOptions & { limit?: number }): Promise<UIMessage[]>;
}

export function threadkeep(options: MemoryOptions): Memory {
  const session = options.client.session(options.sessionId);
  const answerId = crypto.randomUUID();
  let continued: Continued | null = null;
  return {
    async prepare(messages, callOptions = {}) {
      const plan = planAppend(messages, await readTail(session, messages, callOptions));
      continued = plan.continued;
      if (plan.continued?.isChanged === true) {
        await session.edit(plan.continued.id, { content: plan.continued.content }, callOptions);
      }
      for (let at = 0; at < plan.unseen.length; at += MAX_APPEND) {
        await session.append(plan.unseen.slice(at, at + MAX_APPEND), callOptions);
      }
      const request = { query: "auto", ...options.context, format: "ai-sdk", atSeq: plan.atSeq } as const;
      return toPrepared(await session.context(request, callOptions), options.instructions);
    },
    async onFinish({ responseMessages, finishReason }) {
      const parts = finishReason === "error" ? [] : toResponseParts(responseMessages);
      if (parts.length === 0) return;
      if (continued === null) {
        await session.append({ id: answerId, role: "assistant", content: tidy(parts) });
      } else await session.edit(continued.id, { content: [...asParts(continued.content), ...parts] });
    },
    messageId: () => answerId,
    async history({ limit = 100, ...callOptions } = {}) {
      const newest = await readBack(session, callOptions, ({ length }) => length >= limit);
      return newest.slice(-limit).flatMap((message) => toUiMessage(message) ?? []);
    },
  };
}

/** The answer that the model goes on with, because a page gave it a tool's result. */
interface Continued {
  readonly id: string;
  readonly content: Content;
  readonly isChanged: boolean;
}

interface Plan {
  readonly unseen: NewMessage[];
  readonly continued: Continued | null;
  /** Set where the log goes on after what the page shows: an answer is asked for anew. */
  readonly atSeq: number | undefined;
}

/** @param tail of the log, in order, back to a message of the chat if one is in it */
function planAppend(messages: readonly UIMessage[], tail: readonly Message[]): Plan {
  const places = new Map(tail.map((message, index) => [message.id, index]));
  let seen = messages.length - 1;
  while (seen >= 0 && !places.has(storedId(messages[seen]?.id ?? ""))) seen -= 1;
  let place = places.get(storedId(messages[seen]?.id ?? "")) ?? -1;
  // Where the page has made up an id of its own, the answer that follows in the log is the answer that follows in the page.
  while (seen >= 0 && messages[seen + 1]?.role === "assistant" && tail[place + 1]?.role === "assistant") {
    seen += 1;
    place += 1;
  }
  const unseen = messages.slice(seen + 1).map((message) => toStored(message, storedId(message.id)));
  const [last, stored] = [messages[seen], tail[place]];
  if (unseen.length > 0 || last === undefined || stored === undefined) {
    return { unseen, continued: null, atSeq: undefined };
  }
  if (last.role === "assistant") {
    const { content } = toStored(last, stored.id);
    const isChanged = JSON.stringify(content) !== JSON.stringify(stored.content);
    return { unseen, continued: { id: stored.id, content, isChanged }, atSeq: undefined };
  }
  return { unseen, continued: null, atSeq: place < tail.length - 1 ? stored.seq : undefined };
}

/** The log from its end back to the newest message that the chat has, too; or all of it if there is none. */
function readTail(session: Session, messages: readonly UIMessage[], options: CallOptions): Promise<Message[]> {
  const ids = new Set(messages.map(({ id }) => storedId(id)));
  return readBack(session, options, (read) => read.some(({ id }) => ids.has(id)));
}

function asParts(content: Content): Part[] {
  return typeof content === "string" ? [{ type: "text", text: content }] : content;
}

function toPrepared({ system, messages }: AiSdkContext, instructions: string | undefined): Prepared {
  const told = [instructions, system].filter((text) => text !== undefined).join("\n\n");
  return { messages, ...(told === "" ? {} : { instructions: told }) };
}
