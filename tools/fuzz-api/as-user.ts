// What an attacker with an end user's token would try: mostly imports, settings and frames, and every other operation as well.
import { gzipSync } from "node:zlib";
import type { Dice } from "./dice.ts";
import { twist } from "./hostile-body.ts";
import { hostileText, hostileValue, MARKER, writeJson } from "./hostile-value.ts";

export interface UserStep {
  readonly operationId: string;
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body?: Uint8Array;
  readonly cutOff?: "length" | "chunks";
  /** Frames that are sent in order on a socket of this path. */
  readonly frames?: readonly (string | Uint8Array<ArrayBuffer>)[];
}

const ONE_MIB = 1024 * 1024;
const CREATED_AT = "2026-11-22T09:30:00.000Z";
/** Messages in a generated file. Larger files would only measure how fast they are generated. */
const MAX_HOSTILE_LINES = 5;
/** The service stops reading a larger body and closes the connection, and a client that still writes never sees why. */
const MAX_FILE_LENGTH = 2 * ONE_MIB;
const ROLES = ["user", "user", "user", "assistant", "system", "developer", "tool", "nobody"];
const SETTINGS = [
  "maxTokens",
  "keepRecentTokens",
  "summarizeAfterTokens",
  "summaryMaxTokens",
  "summarizerTokensPerDay",
  "summarizeAfterIdleSeconds",
  "expireAfterIdleSeconds",
  "archiveMessages",
  "profile",
  "seedFromUser",
];
const SETTING_VALUES = [null, 0, 1, 256, 1_000, 4_000, 16_000, 1_000_001, -1, true, false, "agent", "chat"];

/** @param sessions names of the user's own sessions */
export function userStep(sessions: readonly string[], dice: Dice): UserStep {
  const kind = dice.below(10);
  if (kind < 3) return importStep(sessions, dice);
  return kind < 6 ? settingsStep(sessions, dice) : framesStep(sessions, dice);
}

function contentOf(dice: Dice): unknown {
  if (dice.chance(0.6)) return `${MARKER} ${"word ".repeat(dice.pick([1, 10, 100, 1_000]))}`;
  if (dice.chance(0.5)) return hostileText(dice);
  const part = dice.pick([
    { type: "text", text: hostileText(dice) },
    { type: "reasoning", text: "Hm." },
    { type: "tool-result", toolCallId: "c", toolName: "pay", output: { paid: true } },
    {
      type: "file",
      mediaType: "image/png",
      data: dice.pick(["AAAA", "http://169.254.169.254/", "https://a.example/b.png"]),
    },
    { type: "data-form", data: hostileValue(dice) },
  ]);
  return Array.from({ length: dice.chance(0.02) ? 257 : dice.below(4) }, () => part);
}

function messageOf(dice: Dice): Record<string, unknown> {
  const id = dice.chance(0.5) ? { id: `m-${dice.below(50)}` } : {};
  return { role: dice.pick(ROLES), content: contentOf(dice), ...id };
}

function importStep(sessions: readonly string[], dice: Dice): UserStep {
  const count = dice.pick([0, 1, 5, 50, 600]);
  const head = {
    type: "session",
    format: "threadkeep-session",
    formatVersion: 1,
    id: dice.pick(sessions),
    createdAt: CREATED_AT,
    metadata: {},
    settings: dice.chance(0.3) ? settingsOf(dice) : {},
  };
  const isWell = dice.chance(0.5);
  const lines: unknown[] = Array.from({ length: count }, (_, at) => {
    const said = isWell || at >= MAX_HOSTILE_LINES ? { role: "user", content: `Line ${at}.` } : messageOf(dice);
    return { type: "message", createdAt: CREATED_AT, ...said, seq: at + 1, id: `i-${at}` };
  });
  let [summaries, items] = [0, 0];
  if (dice.chance(0.2)) {
    summaries = dice.pick([1, 100]);
    for (let version = 1; version <= summaries; version += 1) {
      const told = {
        tokens: 1,
        summarizer: "anthropic/forged",
        degraded: false,
        droppedItems: 0,
        createdAt: CREATED_AT,
      };
      lines.push({ type: "summary", version, throughSeq: 1, ...told });
    }
    items = dice.pick([0, 200]);
    for (let at = 0; at < items; at += 1) {
      const text = `fact ${at}${" ".repeat(1_900)}x`;
      const item = { id: `1.${at}`, fromVersion: 1, kind: "decision", text, sourceSeqs: [1], status: "current" };
      lines.push({ type: "item", ...item, ...(dice.chance(0.5) ? { sourceSession: "never-was" } : {}) });
    }
  }
  lines.push({ type: "end", messages: count, summaries, items, complete: dice.chance(0.95) });
  const all: unknown[] = [head, ...lines];
  for (let twists = isWell ? 0 : dice.below(3); twists > 0; twists -= 1) {
    const at = dice.below(all.length);
    all[at] = twist(all[at], dice);
  }
  if (dice.chance(0.05)) all.splice(dice.below(all.length), 1);
  const text = all
    .map(writeJson)
    .join(dice.chance(0.9) ? "\n" : "\n\r\n \n")
    .slice(0, MAX_FILE_LENGTH);
  const bytes = Buffer.from(dice.chance(0.05) ? text.slice(0, dice.below(text.length)) : text);
  const isZipped = dice.chance(0.05);
  const query = dice.chance(0.5) ? `?sessionId=${encodeURIComponent(dice.pick(sessions))}` : "";
  return {
    operationId: "importSession",
    method: "POST",
    path: `/v1/import${query}`,
    headers: [["Content-Type", "application/x-ndjson"], ...(isZipped ? [["Content-Encoding", "gzip"] as const] : [])],
    body: isZipped ? gzipSync(bytes) : bytes,
    ...(dice.chance(0.05) ? { cutOff: dice.pick(["length", "chunks"] as const) } : {}),
  };
}

function settingsOf(dice: Dice): Record<string, unknown> {
  const names = Array.from({ length: dice.pick([1, 1, 2, 5]) }, () => dice.pick(SETTINGS));
  return Object.fromEntries(
    names.map((name) => [name, dice.chance(0.85) ? dice.pick(SETTING_VALUES) : hostileValue(dice)]),
  );
}

function settingsStep(sessions: readonly string[], dice: Dice): UserStep {
  const settings = settingsOf(dice);
  const session = dice.pick(sessions);
  const headers = [["Content-Type", "application/json"]] as const;
  const write = (value: unknown): Uint8Array => Buffer.from(writeJson(value));
  const ways = [
    { operationId: "updateSession", method: "PATCH", path: `/v1/sessions/${session}`, body: write({ settings }) },
    { operationId: "createSession", method: "POST", path: "/v1/sessions", body: write({ id: session, settings }) },
    {
      operationId: "createSession",
      method: "POST",
      path: "/v1/sessions",
      body: write({ settings, continueFrom: dice.pick(sessions), ...(dice.chance(0.2) ? { seedFromUser: true } : {}) }),
    },
    {
      operationId: "forkSession",
      method: "POST",
      path: `/v1/sessions/${session}/fork`,
      body: write({
        id: dice.pick(sessions),
        settings,
        ...dice.pick([{}, { throughSeq: 0 }, { throughSeq: 1 }, { throughSeq: 5 }, { throughSeq: 1e9 }]),
      }),
    },
    {
      operationId: "summarizeSession",
      method: "POST",
      path: `/v1/sessions/${session}/summarize`,
      body: write({ keepRecentTokens: 0, fromScratch: dice.chance(0.5), waitMs: 0 }),
    },
  ];
  return { ...dice.pick(ways), headers };
}

function framesStep(sessions: readonly string[], dice: Dice): UserStep {
  const count = dice.pick([1, 3, 10, 25]);
  return {
    operationId: "sendFrames",
    method: "GET",
    path: `/v1/sessions/${dice.pick(sessions)}/live?since=${dice.pick(["0", "1", "999999"])}`,
    headers: [],
    frames: [
      ...Array.from({ length: count }, (_, at) => frameOf(dice, at)),
      JSON.stringify({ type: "context", id: LAST }),
    ],
  };
}

/** The id of a valid frame that comes last: either it is answered, or the socket was closed. */
export const LAST = "last";

function frameOf(dice: Dice, at: number): string | Uint8Array<ArrayBuffer> {
  const id = dice.chance(0.9) ? `f-${at}` : hostileValue(dice);
  const append = {
    type: "append",
    id,
    messages: Array.from({ length: dice.chance(0.05) ? 101 : dice.pick([1, 2]) }, () => messageOf(dice)),
  };
  const context = {
    type: "context",
    id,
    maxTokens: dice.pick([256, 1_000_000, 0, -1]),
    format: dice.pick(["text", "ui", "x"]),
  };
  switch (dice.below(12)) {
    case 0:
      return new Uint8Array(dice.pick([0, 1, 5_000]));
    case 1:
      return dice.pick(["", "{", "ping", "null", "[]", `{"type":"append"`, `{"type":"${MARKER}"}`]);
    case 2:
      return "x".repeat(dice.pick([ONE_MIB, ONE_MIB + 1]));
    case 3:
      return JSON.stringify({ type: "ack", rev: dice.pick([0, 1, -1, 1e18, "1"]) });
    case 4:
      return writeJson(hostileValue(dice));
    case 5:
    case 6:
      return writeJson(twist(append, dice));
    case 7:
      return writeJson(twist(context, dice));
    case 8:
    case 9:
      return writeJson(context);
    default:
      return writeJson(append);
  }
}
