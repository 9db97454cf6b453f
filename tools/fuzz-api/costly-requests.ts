// Requests that look cheap and might be expensive: the work that an end user's token could cause. Each is refused, or answered with little.
import { MAX_FRAME_BYTES } from "../../src/api/limits.ts";

export interface CostlyRequest {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Sent as a frame on a socket, if set. */
  readonly isFrame?: true;
}

/** Most requests send a megabyte. A body may have eight, and pays for each. */
const ROOM = 1024 * 1024 - 1_000;
const SESSION = "/v1/sessions/costly";
const CREATED_AT = "2026-11-22T09:30:00.000Z";

const many = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at));
const named = (count: number): Record<string, number> => Object.fromEntries(many(count, (at) => [`k${at}`, 1]));
const filled = (text: string, bytes = ROOM): string => text.repeat(Math.floor(bytes / Buffer.byteLength(text)));

function append(name: string, messages: unknown): CostlyRequest {
  return written(name, "POST", `${SESSION}/messages`, JSON.stringify({ messages }));
}

function written(name: string, method: string, path: string, body: string): CostlyRequest {
  return { name, method, path, headers: { "Content-Type": "application/json" }, body };
}

function imported(name: string, lines: readonly string[]): CostlyRequest {
  const head = {
    type: "session",
    format: "threadkeep-session",
    formatVersion: 1,
    id: "costly-import",
    createdAt: CREATED_AT,
    metadata: {},
    settings: {},
  };
  const body = [JSON.stringify(head), ...lines].join("\n");
  return { name, method: "POST", path: "/v1/import", headers: { "Content-Type": "application/x-ndjson" }, body };
}

function read(name: string, path: string, headers: Readonly<Record<string, string>> = {}): CostlyRequest {
  return { name, method: "GET", path, headers };
}

const message = (content: unknown, more: object = {}): object => ({ role: "user", content, ...more });
const around = (open: string, close: string): string =>
  `{"messages":[{"role":"user","content":[{"type":"data-x","data":${filled(open, ROOM / 2)}1${filled(close, ROOM / 2)}}]}]}`;

/** They are sent one after the other to a session `costly` that has one message. */
export function costlyRequests(): CostlyRequest[] {
  const parts = (make: () => object): object[] => many(100, () => message(many(256, make)));
  const last = { type: "data-x", data: "\u0000" };
  const bodies = [
    append(
      "25,600 parts that are empty objects",
      parts(() => ({})),
    ),
    append(
      "25,600 parts of an unknown type",
      parts(() => ({ type: "x" })),
    ),
    append("20,000 parts of data, the last of them invalid", [
      ...many(78, () => message(many(256, () => ({ type: "data-x", data: 1 })))),
      message([last]),
    ]),
    append(
      "12,800 results of tools",
      many(100, () => message(many(128, () => ({ type: "tool-result", toolCallId: "c", toolName: "n", output: 1 })))),
    ),
    append("80,000 names as metadata of a message", [message("a", { metadata: named(80_000) })]),
    append("80,000 unknown names", [message("a", named(80_000))]),
    append("80,000 names in the data of a part", [message([{ type: "data-x", data: named(80_000) }])]),
    append("80,000 names in provider options", [
      message([{ type: "text", text: "a", providerOptions: named(80_000) }]),
    ]),
    append(
      "100,000 messages",
      many(100_000, () => 1),
    ),
    append("100,000 numbers in a part", [message([{ type: "data-x", data: many(100_000, () => 1) }])]),
    append("one string of combining marks", [message(filled("\u0301"))]),
    append("one string of line breaks", [message(filled("\n", ROOM / 2))]),
    append("one string as an id", [message("a", { id: filled("a") })]),
    append("one string of invisible characters as a name", [message("a", { author: filled("\u200b") })]),
    append("one string as a time", [message("a", { occurredAt: `2026-11-22T09:30:00.${filled("1")}x` })]),
    append(
      "100 messages with one id",
      many(100, () => message(filled("a", ROOM / 101), { id: "a" })),
    ),
    written("nested lists", "POST", `${SESSION}/messages`, around("[", "]")),
    written("brackets alone", "POST", `${SESSION}/messages`, filled("[")),
    written(
      "lone surrogates",
      "POST",
      `${SESSION}/messages`,
      `{"messages":[{"role":"user","content":"${filled("\\ud800")}"}]}`,
    ),
    written("80,000 names as metadata of a session", "PATCH", SESSION, JSON.stringify({ metadata: named(80_000) })),
    written("80,000 names as settings", "PATCH", SESSION, JSON.stringify({ settings: named(80_000) })),
    written("a query of 10,000 words", "POST", `${SESSION}/context`, JSON.stringify({ query: wordsOf(10_000) })),
    written(
      "a search for 10,000 different characters",
      "POST",
      `${SESSION}/search`,
      JSON.stringify({ query: hanOf(10_000) }),
    ),
    written("the same search across sessions", "POST", "/v1/search", JSON.stringify({ query: hanOf(10_000) })),
    written(
      "a search in 100,000 sessions",
      "POST",
      "/v1/search",
      JSON.stringify({ query: "a", sessions: many(100_000, (at) => `s${at}`) }),
    ),
  ];
  const frames = bodies
    .filter(({ path }) => path.endsWith("/messages"))
    .slice(0, 6)
    .map(({ name, body = "" }): CostlyRequest => {
      const frame = `{"type":"append","id":"f",${body.slice(1)}`;
      return {
        name: `frame: ${name}`,
        method: "GET",
        path: `${SESSION}/live`,
        body: frame.slice(0, MAX_FRAME_BYTES),
        isFrame: true,
      };
    });
  const line = (at: number, content: unknown): string =>
    JSON.stringify({ type: "message", seq: at + 1, id: `i${at}`, role: "user", content, createdAt: CREATED_AT });
  return [
    ...bodies,
    ...frames,
    imported("import: 1 MiB of empty lines", [filled("\n")]),
    imported("import: a line of 40,000 names", [JSON.stringify({ type: "message", ...named(40_000) })]),
    imported("import: a line of data parts, the last of them invalid", [
      line(0, [...many(255, () => ({ type: "data-x", data: 1 })), last]),
    ]),
    imported(
      "import: summaries by a user",
      many(100, (at) => JSON.stringify({ type: "summary", version: at + 1 })),
    ),
    read("a key of 8 KB for a repeated append", "/v1/sessions", { "Idempotency-Key": filled("k", 8_000) }),
    read("an invalid token of 8 KB", "/v1/sessions", { Authorization: `Bearer ${filled("a.", 8_000)}a` }),
    read("a tag of 8 KB", `${SESSION}/context`, { "If-None-Match": filled('"a", ', 8_000) }),
    read("1,000 unknown parameters", `/v1/sessions?${many(1_000, (at) => `p${at}=1`).join("&")}`),
    read("700 filters", `/v1/sessions?${many(700, (at) => `metadata.k${at}=1`).join("&")}`),
    read("a seq of 6,000 digits", `${SESSION}/messages?afterSeq=${filled("9", 6_000)}`),
    read("the largest seq there is", `${SESSION}/messages?afterSeq=${Number.MAX_SAFE_INTEGER}`),
    read("a cursor of 6,000 characters", `/v1/sessions?cursor=${filled("A", 6_000)}`),
    read("a path of 6,000 characters", `/v1/sessions/${filled("%41", 6_000)}`),
    read("a context of a million tokens", `${SESSION}/context?maxTokens=1000000`),
  ];
}

function wordsOf(characters: number): string {
  return many(2_000, (at) => `w${at}`)
    .join(" ")
    .slice(0, characters);
}

/** In a script without spaces each character, and each pair of characters, is a word to look for. */
function hanOf(characters: number): string {
  return String.fromCodePoint(...many(characters, (at) => 0x4e00 + at));
}
