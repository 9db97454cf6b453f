/** Threadkeep as the memory of a chat with the Vercel AI SDK. */

import type { ModelMessage, UIMessage } from "ai";
import { batchesOf } from "../batches.ts";
import type { Threadkeep } from "../client.ts";
import type { CallOptions } from "../connection.ts";
import type { AiSdkContext, ContextRequest } from "../context.ts";
import type { AppendedMessage, Content, Message, NewMessage, Part } from "../contract.ts";
import { ThreadkeepError } from "../errors.ts";
import { readBack, readFrom } from "../read-back.ts";
import type { Session } from "../session.ts";
import { fingerprint, storedId } from "../stored-id.ts";
import { type AnsweredStep, toResponseParts } from "./response-parts.ts";
import {
  comparable,
  countAnswers,
  fitParts,
  saysSame,
  toStored,
  toUiMessage,
  withModelOutputs,
  withResults,
} from "./ui-parts.ts";

export interface MemoryOptions {
  client: Threadkeep;
  sessionId: string;
  /** Instructions for the model. System messages of the session are added after them. */
  instructions?: string;
  /** Options of the context for the model. `query` is `auto` by default, and the budget that of the session. */
  context?: Omit<ContextRequest<"ai-sdk">, "format" | "atSeq">;
}

/** Arguments for `streamText` or `generateText`. */
export interface Prepared {
  messages: ModelMessage[];
  instructions?: string;
}

/**
 * How many of the newest messages are read to find one that the page has too. A page that keeps its chat seldom misses
 * more.
 */
const NEAR_MESSAGES = 20;

const IS_UNKNOWN: ReadonlySet<string> = new Set(["session_not_found", "message_not_found"]);

/** The fields of the SDK's event at the end of an answer that are used here. */
export interface FinishedAnswer {
  readonly responseMessages: readonly ModelMessage[];
  readonly finishReason: string;
  /** The steps contain data of calls and results that a page shows but a model does not get. */
  readonly steps?: readonly AnsweredStep[];
}

/** The memory of one request. Create one for each request, because it remembers which answer belongs to it. */
export interface Memory {
  /**
   * Appends the messages of the chat that the session does not have yet, and returns the context for the next model
   * call. This includes an answer that the user saw but that never reached `onFinish`, for example because the stream
   * was aborted.
   *
   * If a question is sent again with other text (`sendMessage({ text, messageId })`), or an answer is requested again
   * (`regenerate`), a new branch starts: the replaced messages are in no prompt any more, but stay in the session.
   */
  prepare(messages: readonly UIMessage[], options?: CallOptions): Promise<Prepared>;
  /**
   * For `onFinish` or `onEnd`: appends the model's answer, with all steps in one message. If the stream failed, nothing
   * is appended; if it was aborted, the SDK does not call this. In both cases the next `prepare` appends what the user
   * saw.
   */
  onFinish(event: FinishedAnswer): Promise<void>;
  /**
   * For `generateMessageId` of `toUIMessageStreamResponse`, so that the answer has the same id in the page and in the
   * session.
   */
  messageId(): string;
  /**
   * The newest messages of the active branch for `messages` of `useChat`, oldest first; 100 by default. If a message
   * has alternatives, `metadata.threadkeep` contains its `seq` and its `siblings`; `session.branch({ headSeq })`
   * switches to another one.
   */
  history(options?: CallOptions & { limit?: number }): Promise<UIMessage[]>;
}

export function threadkeep(options: MemoryOptions): Memory {
  const session = options.client.session(options.sessionId);
  const answerId = crypto.randomUUID();
  let continued: Continued | null = null;
  /** The question that is answered again. The new answer follows it. */
  let afterSeq: number | undefined;
  return {
    async prepare(messages, callOptions = {}) {
      const plan = planAppend(messages, await readWhereItMeets(session, messages, callOptions));
      continued = plan.continued;
      afterSeq = plan.afterSeq;
      if (plan.continued?.isChanged === true) {
        await session.edit(plan.continued.id, { content: plan.continued.content }, callOptions);
      }
      await appendUnseen(session, plan.unseen, callOptions);
      const request = { query: "auto", ...options.context, format: "ai-sdk", atSeq: plan.atSeq } as const;
      return toPrepared(await session.context(request, callOptions), options.instructions);
    },
    async onFinish({ responseMessages, finishReason, steps = [] }) {
      const parts = finishReason === "error" ? [] : toResponseParts(responseMessages, steps);
      if (parts.length === 0) return;
      if (continued === null) {
        await session.append({ id: answerId, role: "assistant", content: fitParts(parts), afterSeq });
      } else await session.edit(continued.id, { content: fitParts([...asParts(continued.content), ...parts]) });
    },
    messageId: () => answerId,
    async history({ limit = 100, ...callOptions } = {}) {
      const log = await readBack(session, limit, callOptions);
      return log.flatMap((message, at) => toUiMessage(withResults(message, log.slice(at + 1))) ?? []);
    },
  };
}

/**
 * Appends new messages. The last one may be a question that was sent before and changed since, possibly several times
 * or back to its first text. Then a new branch starts, or an existing one becomes active.
 */
async function appendUnseen(session: Session, unseen: readonly NewMessage[], options: CallOptions): Promise<void> {
  for (const batch of batchesOf(unseen)) {
    const last = batch.at(-1);
    try {
      const { messages, headSeq } = await session.append(batch, options);
      const stored = messages.at(-1);
      if (last?.role === "user" && stored?.created === false && stored.seq !== headSeq) {
        await showAgain(session, stored, options);
      }
    } catch (error) {
      const changed = last?.role === "user" ? await changedSince(session, last, error, options) : null;
      if (changed === null) throw error;
      if (batch.length > 1) await session.append(batch.slice(0, -1), options);
      await appendUnseen(session, [changed], options);
    }
  }
}

/** Makes the branch active that ends with a question which was asked again with the same text. */
async function showAgain(session: Session, { id, seq }: AppendedMessage, options: CallOptions): Promise<void> {
  const { offBranch } = await session.message(id, options);
  if (offBranch === true) await session.branch({ headSeq: seq }, options);
}

/**
 * The changed message with a new id, placed after the message that the stored one follows. Null if the error is about
 * something else.
 */
async function changedSince(
  session: Session,
  message: NewMessage,
  error: unknown,
  options: CallOptions,
): Promise<NewMessage | null> {
  if (!(error instanceof ThreadkeepError) || error.code !== "message_conflict") return null;
  const stored = await findMessage(session, message.id ?? "", options);
  if (stored === null || stored.seq !== error.facts?.["seq"] || isAsShown(message.content, stored)) return null;
  return asChanged(message, stored);
}

/** The changed message, with a new id, in the place of the stored one. */
function asChanged(message: NewMessage, stored: Message): NewMessage {
  return { ...message, id: changedId(message), afterSeq: stored.afterSeq ?? stored.seq - 1 };
}

/** The id of a message whose text was changed: the same for the same text. */
function changedId({ id = "", content }: NewMessage): string {
  return storedId(`${id}.${fingerprint(comparable(content))}`);
}

/** An answer that the model continues, because the page added the result of a tool. */
interface Continued {
  readonly id: string;
  readonly content: Content;
  readonly isChanged: boolean;
}

interface Plan {
  readonly unseen: NewMessage[];
  readonly continued: Continued | null;
  /** Set if the log continues after the messages of the page, because an answer was requested again. */
  readonly atSeq: number | undefined;
  /** The message that the new answer follows, if an earlier answer follows it too. */
  readonly afterSeq: number | undefined;
}

/** @param tail the end of the active branch, in order, including a message of the chat if the branch has one */
function planAppend(messages: readonly UIMessage[], tail: readonly Message[]): Plan {
  const places = new Map(tail.map((message, index) => [message.id, index]));
  const placeOf = (message: UIMessage | undefined): number => {
    if (message === undefined) return -1;
    const stored = toStored(message, storedId(message.id));
    return places.get(stored.id ?? "") ?? places.get(changedId(stored)) ?? -1;
  };
  let seen = messages.length - 1;
  while (seen >= 0 && placeOf(messages[seen]) < 0) seen -= 1;
  let place = placeOf(messages[seen]);
  // If the page has made up its own id for an answer, it is matched by its place: the next answer in the log is the
  // next answer in the page.
  while (seen >= 0 && messages[seen + 1]?.role === "assistant" && tail[place + 1]?.role === "assistant") {
    seen += 1;
    place += 1;
  }
  const unseen = messages.slice(seen + 1).map((message) => toStored(message, storedId(message.id)));
  const nothing = { unseen, continued: null, atSeq: undefined, afterSeq: undefined };
  const [last, stored] = [messages[seen], tail[place]];
  if (unseen.length > 0 || last === undefined || stored === undefined) return nothing;
  const said = toStored(last, stored.id);
  const content = withModelOutputs(said.content, stored.content);
  if (last.role === "assistant") {
    const later = tail.slice(place + 1);
    const answers = later.slice(0, countAnswers(later));
    const end = answers.at(-1);
    // Other frameworks store tool results in messages of their own. The answer continues after those.
    if (
      end !== undefined &&
      answers.some(({ erased }) => erased !== true) &&
      isAsShown(said.content, withResults(stored, answers))
    ) {
      const isAnswered = later.length > answers.length;
      return { ...nothing, atSeq: isAnswered ? end.seq : undefined, afterSeq: isAnswered ? end.seq : undefined };
    }
    const isChanged = !saysSame(content, stored.content);
    return { ...nothing, continued: { id: stored.id, content: isChanged ? content : stored.content, isChanged } };
  }
  if (last.role === "user" && stored.erased !== true && !isAsShown(content, stored)) {
    return { ...nothing, unseen: [asChanged({ ...said, id: storedId(last.id) }, stored)] };
  }
  const next = tail[place + 1];
  const isAnsweredAnew = next?.role === "assistant" || next?.role === "tool";
  return {
    ...nothing,
    atSeq: next === undefined ? undefined : stored.seq,
    afterSeq: isAnsweredAnew ? stored.seq : undefined,
  };
}

/** Whether the content that a page sends is what it was shown of the stored message. */
function isAsShown(content: Content, stored: Message): boolean {
  const shown = toUiMessage(stored);
  return shown !== null && saysSame(toStored(shown, stored.id).content, content);
}

/**
 * Reads the active branch from a message that the chat has too: either its newest messages, or a page from the newest
 * common message on. Empty if there is none. The number of requests depends neither on the length of the chat nor of
 * the log, because a page may send only its newest message.
 */
async function readWhereItMeets(
  session: Session,
  messages: readonly UIMessage[],
  options: CallOptions,
): Promise<Message[]> {
  const ids = messages.map(({ id }) => storedId(id));
  if (ids.length > 1) {
    const known = new Set(ids);
    const newest = await readBack(session, NEAR_MESSAGES, options);
    if (newest.length < NEAR_MESSAGES || newest.some(({ id }) => known.has(id))) return newest;
  }
  const met = await findNewestKnown(session, messages, options);
  return met === null ? [] : await readFrom(session, met.seq, options);
}

/**
 * The newest message that both the chat and the log have; null if there is none. Users' messages are all known up to
 * some message and all new after it, so it is found by bisection. An answer may be stored under another id than in the
 * page, so only the last one is looked up.
 */
async function findNewestKnown(
  session: Session,
  messages: readonly UIMessage[],
  options: CallOptions,
): Promise<Message | null> {
  const find = ({ id }: UIMessage): Promise<Message | null> => findMessage(session, storedId(id), options);
  const last = messages.at(-1);
  if (last === undefined) return null;
  const found = await find(last);
  if (found !== null) return found;
  const asked = messages.slice(0, -1).filter(({ role }) => role === "user");
  let newest: Message | null = null;
  let [known, unknown] = [-1, asked.length];
  // Search backwards from the end with steps that double, because there are usually few new messages.
  for (let step = 1; unknown - known > 1; step *= 2) {
    const at: number = newest === null ? Math.max(0, unknown - step) : Math.floor((known + unknown) / 2);
    const question: UIMessage | undefined = asked[at];
    const stored: Message | null = question === undefined ? null : await find(question);
    if (stored === null) unknown = at;
    else [newest, known] = [stored, at];
  }
  return newest;
}

async function findMessage(session: Session, id: string, options: CallOptions): Promise<Message | null> {
  try {
    return await session.message(id, options);
  } catch (error) {
    if (error instanceof ThreadkeepError && IS_UNKNOWN.has(error.code)) return null;
    throw error;
  }
}

function asParts(content: Content): Part[] {
  return typeof content === "string" ? [{ type: "text", text: content }] : content;
}

function toPrepared({ system, messages }: AiSdkContext, instructions: string | undefined): Prepared {
  const texts = [instructions, system].filter((text) => text !== undefined).join("\n\n");
  return { messages, ...(texts === "" ? {} : { instructions: texts }) };
}
