import { refuseForeignWords } from "../../access/users-words.ts";
import type { Erasure, Message, MessagePatch } from "../../api/message.ts";
import { byteLength } from "../../api/text.ts";
import type { UsersMay } from "../../api/users-may.ts";
import { editMessage, eraseMessage, isErasurePending } from "../erase/index.ts";
import { beginDay, countForUser, takeForUser } from "../quota/index.ts";
import { goodThrough, scheduleSummaryIfDue, tokensReadAgain } from "../summary/index.ts";
import type { Unit } from "../unit.ts";
import { messageId } from "./append.ts";
import { applyTenantSettings } from "./epoch.ts";
import { toMessage } from "./message-form.ts";
import { findMessage } from "./read.ts";

/**
 * Edits a message for a client. An edit counts like an append for the daily limits and for the size of the session, and
 * may make a summary due.
 * @param byUser what the tenant lets its users do, if a user makes the edit
 * @throws ThreadkeepError if the edit is refused; the transaction is then rolled back
 */
export function editForClient(unit: Unit, id: string, patch: MessagePatch, byUser?: UsersMay): Message {
  unit.requireSession();
  if (byUser !== undefined) refuseForeignEdit(unit, id, patch, byUser);
  applyTenantSettings(unit);
  const measureDay = beginDay(unit);
  const goodBefore = goodThrough(unit);
  const edited = editMessage(unit, id, patch);
  measureDay();
  if (byUser !== undefined) {
    const { tokens, content } = edited;
    const bytes = byteLength(JSON.stringify(content));
    takeForUser(unit, { messages: 1, tokens, bytes, summarizerTokens: tokensReadAgain(unit, goodBefore) });
  }
  scheduleSummaryIfDue(unit);
  return toMessage(edited);
}

/**
 * Erases a message for a client.
 * @param isByUser whether a user asks: what a model must read again because of it counts for the user's day. An erasure
 * is never refused for that
 * @throws ThreadkeepError `message_not_found`, or if the session cannot be used
 */
export function eraseForClient(unit: Unit, id: string, isByUser: boolean): Erasure {
  unit.requireSession();
  const goodBefore = goodThrough(unit);
  const erased = eraseMessage(unit, id);
  if (isByUser) countForUser(unit, { summarizerTokens: tokensReadAgain(unit, goodBefore) });
  const { seq } = erased;
  return { id: messageId(erased), seq, state: isErasurePending(unit, seq) ? "erasing" : "erased" };
}

function refuseForeignEdit(unit: Unit, id: string, { content, pinned }: MessagePatch, { write }: UsersMay): void {
  const row = findMessage(unit, id, "told");
  if (row === null) return;
  const message = { role: row.role, content, pinned: pinned !== undefined };
  refuseForeignWords([{ path: "", roleAt: "messageId", message }], write);
}
