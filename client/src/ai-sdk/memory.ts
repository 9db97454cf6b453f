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

/** A page that keeps its chat has a message among so many of the newest: what was said since it sent the last time is seldom more. */
const NEAR_MESSAGES = 20;

const IS_UNKNOWN: ReadonlySet<string> = new Set(["session_not_found", "message_not_found"]);

/** What the SDK tells of an answer that is over, as far as it matters here. */
export interface FinishedAnswer {
  readonly responseMessages: readonly ModelMessage[];
  readonly finishReason: string;
  /** What a page shows of calls and results, and a model is not told. */
  readonly steps?: readonly AnsweredStep[];
}

/** The memory of one request. Make one for each: it holds which answer belongs to it. */
export interface Memory {
  /**
   * Appends what the session has not seen of the chat, and gives the context for the next call of the model. A message that the
   * user saw but no callback brought here, as after an abort, is appended as they saw it.
   *
   * A question that is sent again with other words, as `sendMessage({ text, messageId })` does, and an answer that is asked for again, as
   * `regenerate` does, begin another branch: what stood there before is in no prompt any more, and stays in the session.
   */
  prepare(messages: readonly UIMessage[], options?: CallOptions): Promise<Prepared>;
  /**
   * For `onFinish` or `onEnd`: appends what the model said, all steps in one message. Of a stream that failed it appends nothing,
   * and one that was aborted never comes here: the next `prepare` brings what the user saw of them.
   */
  onFinish(event: FinishedAnswer): Promise<void>;
  /** For `generateMessageId` of `toUIMessageStreamResponse`: so the answer has one id in the page and in the session. */
  messageId(): string;
  /**
   * The newest messages of the active branch as `useChat` shows them, oldest first; for its `messages`. 100 by default. Where a message has
   * alternatives, `metadata.threadkeep` has its `seq` and its `siblings`: `session.branch({ headSeq })` shows another.
   */
  history(options?: CallOptions & { limit?: number }): Promise<UIMessage[]>;
}

export function threadkeep(options: MemoryOptions): Memory {
  const session = options.client.session(options.sessionId);
  const answerId = crypto.randomUUID();
  let continued: Continued | null = null;
  /** The question that is answered anew: the answer follows it. */
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
 * Appends what is new. The last of it may be a question that was sent before, and that the user has changed since, more than once or back to
 * what it was: then it begins another branch, or goes back to one.
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

/** A question that is asked again in the same words, and is not on the active branch, is the end of that from now on. */
async function showAgain(session: Session, { id, seq }: AppendedMessage, options: CallOptions): Promise<void> {
  const { offBranch } = await session.message(id, options);
  if (offBranch === true) await session.branch({ headSeq: seq }, options);
}

/** The message under another id, after what the one follows whose id it has; null if that is not what was refused. */
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

/** A message whose words were changed, in the place of the one that is stored. */
function asChanged(message: NewMessage, stored: Message): NewMessage {
  return { ...message, id: changedId(message), afterSeq: stored.afterSeq ?? stored.seq - 1 };
}

/** The id of a message whose words were changed under its own: the same each time for the same words. */
function changedId({ id = "", content }: NewMessage): string {
  return storedId(`${id}.${fingerprint(comparable(content))}`);
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
  /** The message that the answer follows, where an earlier answer follows it. */
  readonly afterSeq: number | undefined;
}

/** @param tail of the active branch, in order, with a message of the chat in it if that has one */
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
  // Where the page has made up an id of its own, the answer that follows in the log is the answer that follows in the page.
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
    // Another framework has its tools' results in messages of their own: the answer goes on after those.
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

/** Whether a page sends of a message what it was shown of it. */
function isAsShown(content: Content, stored: Message): boolean {
  const shown = toUiMessage(stored);
  return shown !== null && saysSame(toStored(shown, stored.id).content, content);
}

/**
 * The log from where the chat and it meet: back from its end, or on from the newest message that the chat has, too. Empty if they have
 * none in common. The number of requests depends on the length of neither: a page may send its newest message alone, to a log of any
 * length.
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
 * The newest message of the chat that the log has, too; null if there is none. What users said is known up to one of them and new from
 * there on, so it is found by halving. An answer may be stored under another id than the page gave it: of those the last alone is asked for.
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
  // From the end in steps that double: what is new is short, however long the chat is.
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
  const told = [instructions, system].filter((text) => text !== undefined).join("\n\n");
  return { messages, ...(told === "" ? {} : { instructions: told }) };
}
