import { type BaseMessage, isBaseMessage } from "@langchain/core/messages";
import { batchesOf } from "../batches.ts";
import type { NewMessage } from "../contract.ts";
import { ThreadkeepError } from "../errors.ts";
import { isSaid, toStored } from "../langchain/messages.ts";
import type { Session } from "../session.ts";
import { fingerprint, storedId } from "../stored-id.ts";

/** What a channel of messages holds, beside what it held before. */
export interface ChangedMessages {
  readonly messages: readonly unknown[];
  /** So many of the first ones are as they were. */
  readonly keep: number;
  /** They do not follow what was added last: the chat goes on from an earlier place. */
  readonly isFork: boolean;
}

/**
 * What is new in a channel of messages, as turns of a session, so that its summaries, search and prompts know them. A message is appended
 * once, by its id; where the graph changes one, it is edited. What the graph takes out of its state stays in the session: there it is the
 * summary's to shorten. A run that goes on from an earlier checkpoint begins another branch.
 */
export async function appendTurns(session: Session, { messages, keep, isFork }: ChangedMessages): Promise<void> {
  const turns = messages
    .slice(keep)
    .filter((message): message is BaseMessage => isBaseMessage(message) && isSaid(message));
  const before = messages[keep - 1];
  let afterSeq = isFork ? await seqOf(session, before) : undefined;
  for (const batch of batchesOf(turns.map((turn) => toStored(turn)))) {
    const [first, ...others] = batch;
    if (first === undefined) continue;
    await appendOrEdit(session, [{ ...first, afterSeq }, ...others], isFork);
    afterSeq = undefined;
  }
}

/** One that was stored with other words is edited; on another branch it is one more message. */
async function appendOrEdit(session: Session, batch: readonly NewMessage[], isFork: boolean): Promise<void> {
  try {
    await session.append(batch);
  } catch (error) {
    if (!(error instanceof ThreadkeepError && error.code === "message_conflict")) throw error;
    let { afterSeq } = batch[0] ?? {};
    for (const message of batch) {
      afterSeq = (await appendOne(session, { ...message, afterSeq }, isFork)) ? undefined : afterSeq;
    }
  }
}

/** Whether it was appended. */
async function appendOne(session: Session, message: NewMessage, isFork: boolean): Promise<boolean> {
  try {
    await session.append(message);
    return true;
  } catch (error) {
    if (!(error instanceof ThreadkeepError && error.code === "message_conflict")) throw error;
    const { id = "", content } = message;
    if (isFork) {
      await session.append({ ...message, id: storedId(`${id}.${fingerprint(JSON.stringify(content))}`) });
      return true;
    }
    await session.edit(id, { content });
    return false;
  }
}

/** Where a message of the state stands in the session; 0 for none. */
async function seqOf(session: Session, message: unknown): Promise<number> {
  if (!isBaseMessage(message) || message.id === undefined) return 0;
  try {
    return (await session.message(storedId(message.id))).seq;
  } catch (error) {
    if (
      error instanceof ThreadkeepError &&
      (error.code === "message_not_found" || error.code === "session_not_found")
    ) {
      return 0;
    }
    throw error;
  }
}
