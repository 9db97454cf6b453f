import { ThreadkeepError } from "../../api/errors.ts";
import type { MessagePatch } from "../../api/message.ts";
import { addedTokens } from "../../prompt/added-tokens.ts";
import { contentTokens, messageText } from "../../prompt/message-text.ts";
import { findMessage, fullFault, noteChange } from "../log/index.ts";
import { startOfDay } from "../quota/index.ts";
import { messageCostOf, type MessageRow, type TotalsChange } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { UNKNOWN_MESSAGE, scheduleArchivedChange } from "./erase.ts";
import { invalidate, wasGivenToSummarizer } from "./invalidate.ts";

/**
 * Edits a message, in the caller's transaction: if this throws, the transaction must be rolled back. The message keeps
 * its seq, its id, and the hash of the content that was first appended, so that a retry of the append is not a
 * conflict. Whatever summaries say because of the old text is removed, as if the message had been erased.
 * @returns the message as it is now
 * @throws ThreadkeepError `message_not_found`, `message_erased`, or the fault that the session would be full
 */
export function editMessage(unit: Unit, id: string, patch: MessagePatch): MessageRow {
  const { store, now } = unit;
  const row = findMessage(unit, id);
  if (row === null) throw new ThreadkeepError(UNKNOWN_MESSAGE);
  if (row.content === null) {
    throw new ThreadkeepError({
      code: "message_erased",
      detail: "The message was erased. Append a new one instead.",
    });
  }
  if (patch.pinned !== undefined && patch.pinned !== row.isPinned) store.messageWriter.pin(row.seq, patch.pinned);
  if (patch.content === undefined && patch.metadata === undefined) {
    // Only the pin was set or removed. Summaries stay valid, but an export that is under way must see that something
    // changed.
    store.countChange(NO_CHANGE, null);
    noteChange(unit, "edited", { seq: row.seq });
    return store.messages.bySeq(row.seq) ?? row;
  }
  const content = patch.content ?? row.content;
  const metadata = patch.metadata ?? row.metadata;
  const contentJson = JSON.stringify(content);
  const isSaidAnew = contentJson !== JSON.stringify(row.content);
  const metadataJson = metadata === null ? null : JSON.stringify(metadata);
  const tokens = contentTokens(content);
  const size = { tokens, cost: messageCostOf({ ...row, content, tokens }) };
  const change = store.messageWriter.edit(row.seq, content, contentJson, metadataJson, size, now);
  store.countChange(
    change,
    isSaidAnew
      ? { at: now, day: startOfDay(now), tokens: addedTokens(row.content, content, row.tokens, tokens) }
      : null,
  );
  const head = store.messages.head();
  const fault = head === null || change.bytes <= 0 ? null : fullFault(head.seq, head.totalBytes);
  if (fault !== null) throw new ThreadkeepError(fault);
  noteChange(unit, "edited", { seq: row.seq });
  const textChanged = messageText(content) === messageText(row.content) ? [] : [row.seq];
  const isCovered = isSaidAnew && invalidate(unit, [row.seq], textChanged);
  // Even if no item cites the message: no summarizer has received the new text yet, so the summary does not cover it.
  if (textChanged.length > 0 && wasGivenToSummarizer(unit, row.seq)) store.summaries.hide(textChanged);
  scheduleArchivedChange(unit, [row.seq], isCovered);
  return store.messages.bySeq(row.seq) ?? row;
}

const NO_CHANGE: TotalsChange = { cost: 0, bytes: 0 };
