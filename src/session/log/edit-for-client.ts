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
import { findMessage, toMessage } from "./read.ts";

/**
 * Edits a message for a client. What it brings counts like an append: for the day, for the size of the session, and for the summary that may
 * be due by it.
 * @param byUser what users may do here, if it is one who edits
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
 * @param isByUser what it makes models read again counts for the user's day, which refuses no erasure
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
