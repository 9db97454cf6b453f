import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as limits from "../../src/api/limits.ts";
import { resolveSettings } from "../../src/api/session.ts";

const text = readFileSync("docs/settings-and-limits.md", "utf8");
const rows = text
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .map((line) => line.slice(2, -2).split(" | "));

/** Numbers as people write them, and as the tables do. */
const plain = (count: number): string => count.toLocaleString("en-US");
const range = (least: number, most: number): string => `${plain(least)} to ${plain(most)}`;
const SIZES = [
  [1024 ** 3, "GiB"],
  [1024 ** 2, "MiB"],
  [1024, "KiB"],
] as const;
function size(bytes: number): string {
  const [unit, name] = SIZES.find(([least]) => bytes >= least) ?? [1, "bytes"];
  return `${plain(bytes / unit)} ${name}`;
}

const [chat, agent] = [resolveSettings({ profile: "chat" }), resolveSettings({ profile: "agent" })];
const share = (part: number, whole: number): string => `${plain((100 * part) / whole)} %`;

test.each([
  [
    "maxTokens",
    plain(chat.maxTokens),
    plain(agent.maxTokens),
    range(limits.MIN_CONTEXT_TOKENS, limits.MAX_CONTEXT_TOKENS),
  ],
  [
    "summarizeAfterTokens",
    `${share(chat.summarizeAfterTokens, chat.maxTokens)} of \`maxTokens\``,
    share(agent.summarizeAfterTokens, agent.maxTokens),
    range(limits.MIN_THRESHOLD_TOKENS, limits.MAX_CONTEXT_TOKENS),
  ],
  [
    "keepRecentTokens",
    `${share(chat.keepRecentTokens, chat.maxTokens)} of \`maxTokens\``,
    share(agent.keepRecentTokens, agent.maxTokens),
    range(0, limits.MAX_CONTEXT_TOKENS),
  ],
  [
    "summaryMaxTokens",
    plain(chat.summaryMaxTokens),
    plain(agent.summaryMaxTokens),
    range(limits.MIN_THRESHOLD_TOKENS, limits.MAX_SUMMARY_TOKENS),
  ],
  ["summarizerTokensPerDay", String(chat.summarizerTokensPerDay), String(agent.summarizerTokensPerDay)],
  [
    "summarizeAfterIdleSeconds",
    plain(chat.summarizeAfterIdleSeconds ?? 0),
    plain(agent.summarizeAfterIdleSeconds ?? 0),
    `${limits.MIN_SUMMARIZE_AFTER_IDLE_SECONDS} to ten years, or null`,
  ],
  [
    "expireAfterIdleSeconds",
    String(chat.expireAfterIdleSeconds),
    String(agent.expireAfterIdleSeconds),
    `${limits.MIN_EXPIRE_AFTER_SECONDS} to ten years, or null`,
  ],
  ["archiveMessages", String(chat.archiveMessages), String(agent.archiveMessages)],
])("the document has the defaults and the range of the setting %s", (setting, ...cells) => {
  const row = rows.find(([name]) => name === `\`${setting}\``) ?? [];
  expect(row.slice(1, 1 + cells.length)).toEqual(cells);
});

test.each([
  [
    "messages; tokens; bytes that a user adds",
    `${plain(limits.USER_MESSAGES_PER_DAY)}; ${plain(limits.USER_TOKENS_PER_DAY)}; ${size(limits.USER_BYTES_PER_DAY)}`,
  ],
  ["tokens that models read again", plain(limits.USER_SUMMARIZER_TOKENS_PER_DAY)],
  [
    "exports by a user in a day",
    [limits.USER_EXPORTS_PER_DAY, limits.USER_EXPORTS_PER_DAY * limits.USER_PAGES_PER_EXPORT].map(plain).join("; "),
  ],
  ["sessions that a user creates in a day", `${plain(limits.USER_SESSIONS_PER_DAY)}; ${plain(limits.USER_SESSIONS)}`],
  [
    "size of a message",
    [limits.MAX_MESSAGE_BYTES, limits.MAX_BODY_BYTES, limits.MAX_METADATA_BYTES, limits.MAX_PROVIDER_OPTIONS_BYTES]
      .map(size)
      .join("; "),
  ],
  ["values of the JSON that a user sends", plain(limits.MAX_USER_JSON_VALUES)],
  ["frames that wait for their turn", size(limits.MAX_WAITING_FRAME_BYTES)],
  ["size of a frame that a client sends", size(limits.MAX_FRAME_BYTES)],
  [
    "messages of one append",
    `${plain(limits.MAX_MESSAGES_PER_APPEND)}; ${plain(limits.MAX_MESSAGES_PER_SESSION)} or ${size(limits.MAX_BYTES_PER_SESSION)}`,
  ],
  ["branches of a session", plain(limits.MAX_BRANCHES)],
  [
    "size of a file, or of a part of one, to import",
    `${plain(limits.MAX_IMPORT_BODY_BYTES / 1e6)} MB; ${[limits.MAX_IMPORT_ITEMS, limits.MAX_IMPORT_SUMMARIES, limits.MAX_IMPORT_EMPTY_LINES].map(plain).join("; ")}`,
  ],
  ["open sockets of a session", plain(limits.MAX_SOCKETS_PER_SESSION)],
])("the document has the limit of the code: %s", (what, value) => {
  const [, said = ""] = rows.find(([name]) => name?.startsWith(what)) ?? [];
  expect(said.startsWith(value), `the document says ${said}, the code ${value}`).toBe(true);
});

test("the README says when a chat is summarized automatically", () => {
  expect(readFileSync("README.md", "utf8")).toContain(`the threshold is ${plain(chat.summarizeAfterTokens)} tokens`);
});
