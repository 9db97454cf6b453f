import { MAX_LOSSES_READ, MAX_LOSSES_READ_CHARACTERS } from "../../api/limits.ts";
import type { Seq } from "../../api/message.ts";
import type { Page } from "../../api/page.ts";
import type { Loss, SummaryChanges } from "../../api/summary.ts";
import { KeptWords } from "../../prompt/lost-words.ts";
import { isTold, messageText } from "../../prompt/message-text.ts";
import { compareItems } from "../../prompt/summary-changes.ts";
import { messageId } from "../log/index.ts";
import type { Unit } from "../unit.ts";
import { toPlainItem } from "./run.ts";

/**
 * Reports what a summary version changed and lost. Reports are computed on request and never stored, so an erasure has
 * no report to clean up.
 */

/**
 * Compares a version with an earlier one.
 * @param from the version to compare with; without it, the one before
 * @returns null if either version does not exist
 */
export function compareSummaries(unit: Unit, version: number, from: number | undefined): SummaryChanges | null {
  const { summaries } = unit.store;
  const earlier = from === undefined ? (summaries.backward(version, 1)[0] ?? null) : summaries.byVersion(from);
  if (summaries.byVersion(version) === null || (from !== undefined && earlier === null)) {
    return null;
  }
  const itemsOf = (of: number) => summaries.items(of).map(toPlainItem);
  const before = earlier === null ? [] : itemsOf(earlier.version);
  return { version, from: earlier?.version ?? null, ...compareItems(before, itemsOf(version)) };
}

/**
 * A page of those messages with role `user` that a version covers and of which it lost words, oldest first. A page ends
 * when enough messages were read for it, so it may be short or empty and still have a next one.
 * @returns null if there is no such version
 */
export function readLosses(unit: Unit, version: number, afterSeq: Seq, limit: number): Page<Loss> | null {
  const { store } = unit;
  const row = store.summaries.byVersion(version);
  if (row === null) return null;
  const kept = new KeptWords(store.summaries.items(version));
  const branch = store.branches.through(row.throughSeq);
  const data: Loss[] = [];
  let [read, characters, last] = [0, 0, afterSeq];
  for (const { seq, role, content, clientId } of store.messages.forwardOn(
    branch,
    afterSeq + 1,
    row.throughSeq,
    "told",
  )) {
    if (data.length >= limit || read >= MAX_LOSSES_READ || characters > MAX_LOSSES_READ_CHARACTERS) {
      return { data, hasMore: true, nextCursor: String(last) };
    }
    read += 1;
    last = seq;
    if (role !== "user" || !isTold(content)) continue;
    const text = messageText(content);
    characters += text.length;
    const words = kept.lostOf(text);
    if (words.length > 0) data.push({ seq, id: messageId({ seq, clientId }), words });
  }
  return { data, hasMore: false, nextCursor: null };
}
