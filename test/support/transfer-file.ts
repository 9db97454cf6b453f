import type { EndLine, ItemLine, MessageLine, SessionLine, SummaryLine } from "../../src/api/transfer.ts";

/** Files in the form of an export, written by a test. */

const MOMENT = "2026-11-22T09:30:00.000Z";

export function sessionLine(change: Partial<SessionLine> = {}): SessionLine {
  return {
    type: "session",
    format: "threadkeep-session",
    formatVersion: 1,
    id: "written",
    createdAt: MOMENT,
    metadata: {},
    settings: {},
    ...change,
  };
}

export function messageLine(seq: number, content: string, change: Partial<MessageLine> = {}): MessageLine {
  return { type: "message", seq, id: `m-${seq}`, role: "user", content, createdAt: MOMENT, ...change };
}

export function summaryLine(version: number, throughSeq: number, change: Partial<SummaryLine> = {}): SummaryLine {
  const made = { tokens: 10, summarizer: "a-good-model", degraded: false, droppedItems: 0, createdAt: MOMENT };
  return { type: "summary", version, throughSeq, ...made, ...change };
}

export function itemLine(id: string, text: string, sourceSeqs: number[], change: Partial<ItemLine> = {}): ItemLine {
  return { type: "item", id, fromVersion: 1, kind: "fact", text, sourceSeqs, status: "current", ...change };
}

type Inner = MessageLine | SummaryLine | ItemLine;

/** The complete file: a head before the lines, and an end that counts them. */
export function fileOf(lines: readonly Inner[], head: Partial<SessionLine> = {}): string {
  return [sessionLine(head), ...lines, endOf(lines)].map((line) => `${JSON.stringify(line)}\n`).join("");
}

export function endOf(lines: readonly Inner[]): EndLine {
  const count = (type: Inner["type"]): number => lines.filter((line) => line.type === type).length;
  return {
    type: "end",
    messages: count("message"),
    summaries: count("summary"),
    items: count("item"),
    complete: true,
  };
}
