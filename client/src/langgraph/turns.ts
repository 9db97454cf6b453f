import { type BaseMessage, isBaseMessage } from "@langchain/core/messages";
import { batchesOf } from "../batches.ts";
import type { NewMessage } from "../contract.ts";
import { ThreadkeepError } from "../errors.ts";
import { isSaid, toStored } from "../langchain/messages.ts";
import type { Session } from "../session.ts";
import { fingerprint, storedId } from "../stored-id.ts";

/** The current content of a channel of messages, compared with the previous one. */
export interface ChangedMessages {
  readonly messages: readonly unknown[];
  /** How many of the first messages are unchanged. */
  readonly keep: number;
  /** Whether they do not follow the messages that were added last: the graph continues from an earlier checkpoint. */
  readonly isFork: boolean;
}

/**
 * Appends the new messages of a channel to a session, so that they are in its summaries, search and prompts. A message
 * is appended once, by its id; if the graph changes it, it is edited. A message that the graph removes from its state
 * stays in the session, where summaries shorten the prompt. A run that continues from an earlier checkpoint starts
 * another branch.
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

/**
 * Appends messages. A message that is stored with other content is edited; on another branch it is appended with a new
 * id.
 */
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

/** Whether the message was appended (else edited). */
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

/** The seq of a message of the state in the session; 0 if it is not there. */
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
