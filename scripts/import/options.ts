// The command line of the import.
import { Option } from "@commander-js/extra-typings";
import { createProgram, UsageFault, wholeNumber } from "../program/command-line.ts";
import { SERVICE_KEY_HELP, SERVICE_URL_HELP } from "../program/find-service.ts";
import { FORMATS } from "./detect-format.ts";
import type { Format } from "./detect-format.ts";
import { type Branches, type Instructions, READER_DEFAULTS } from "./entry.ts";

const DEFAULT_CONCURRENCY = 4;
const MAX_CONCURRENCY = 64;
/** Small enough to make a summary worthwhile, large enough to keep the last exchange verbatim. */
const DEFAULT_KEEP_RECENT_TOKENS = 1_500;
const MAX_KEEP_RECENT_TOKENS = 1_000_000;
const DEFAULT_PATIENCE_SECONDS = 60;
const MAX_PATIENCE_SECONDS = 86_400;

const ABOUT_FORMATS = `
Running it again, or after a crash, doubles nothing: every message has an id from its source, or one made from its content
and how often it came up in its conversation.

Formats, told by content:
  exported    a session as GET /v1/sessions/{id}/export gives it, whole: messages, summaries and their items. It goes in parts,
              and is there once all of it is; run again, what is in is passed over, up to a day later
  threadkeep  JSON Lines, a message a line: {"session", "id"?, "role", "content", "author"?, "occurredAt"?, "metadata"?};
              a line {"type": "session", "id", "metadata"?, "settings"?} begins a conversation for the lines after it.
              Of an exported session, with --format threadkeep, the messages alone
  openai      JSON Lines, a conversation a line: {"messages": […]}; tool calls, images and files become parts
  chatgpt     a ChatGPT export, the .zip as it comes or its conversations.json: every branch, the one that was last seen active
  claude      a claude.ai export, likewise; attachments by their text
  agent-memory-server  working memory of redis/agent-memory-server, as its API gives it
  langgraph   threads of LangGraph, their states or checkpoints as JSON: the newest state of each
  letta       agent files of Letta (.af): the messages in them
  qmsum       JSON Lines, a meeting a line: {"meeting_transcripts": [{"speaker", "content"}]}
  locomo      a JSON array of long chats; dates (read as UTC) and picture captions are kept
Everyone in qmsum and locomo speaks as "user" with their name as author: nobody there is the assistant.
Of an archive (.zip) every file with conversations is read, and the others are named. UTF-8 and UTF-16 are told apart by
themselves. Everything is streamed and may be of any size, with up to 64 MiB a line, or 256 MiB a conversation in a JSON list.
What is not carried over as it was, such as pictures, of which exports have the names alone, is counted by its form at the end.
Messages without an id belong in one file per conversation: the count of equal messages starts anew with each file.

Exit codes: 0 all is there; 1 something failed; 2 lines were left out; 3 the service went away, run the same command again to
go on; 64 wrong usage; 130 interrupted, run the same command again to go on.

Examples:
  npm run import -- --dry-run conversations.json
  npm run import -- --user mira --finish chatgpt-export.zip`;

export interface ImportOptions {
  readonly files: readonly string[];
  readonly format: Format | undefined;
  readonly finish: boolean;
  readonly keepRecentTokens: number;
  readonly instructions: Instructions;
  readonly branches: Branches;
  readonly prefix: string;
  readonly repair: boolean;
  readonly allowBad: boolean;
  readonly concurrency: number;
  readonly patienceMs: number;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly url: string | undefined;
  readonly key: string | undefined;
  readonly user: string | undefined;
}

export function importProgram(run: (options: ImportOptions) => Promise<number>) {
  return createProgram("npm run import --", "Imports conversations into a running Threadkeep.")
    .argument("<file...>", "exports, as they come")
    .option(
      "--finish",
      "end each session with a summary by hand, wait until it is readable and archived, and check that the context at 4,000 tokens is within budget and leaves nothing out",
      false,
    )
    .option(
      "--keep-recent-tokens <n>",
      `with --finish: tokens at the end that stay word for word (default: ${DEFAULT_KEEP_RECENT_TOKENS})`,
      wholeNumber(0, MAX_KEEP_RECENT_TOKENS),
    )
    .addOption(new Option("--format <name>", "by default told by content").choices(FORMATS))
    .addOption(
      new Option(
        "--instructions <name>",
        "what a person set for all chats, and what the assistant remembered of others: leave them out (nobody said them in the chat), or take them along pinned, as words of the user that stay in every context",
      )
        .choices(["leave", "pinned"] as const)
        .default(READER_DEFAULTS.instructions),
    )
    .addOption(
      new Option("--branches <name>", "all, or only those seen last")
        .choices(["all", "seen"] as const)
        .default(READER_DEFAULTS.branches),
    )
    .option("--prefix <text>", "put before every session id", "")
    .option(
      "--repair",
      "take NUL characters out and put U+FFFD for lone surrogates, instead of leaving such messages out",
      false,
    )
    .option("--allow-bad", "exit with 0 even if some lines could not be imported", false)
    .option("--concurrency <n>", "sessions sent at once", wholeNumber(1, MAX_CONCURRENCY), DEFAULT_CONCURRENCY)
    .option(
      "--patience <seconds>",
      "keep trying for this long when the service does not answer",
      wholeNumber(0, MAX_PATIENCE_SECONDS),
      DEFAULT_PATIENCE_SECONDS,
    )
    .option("--dry-run", "read and check everything, send nothing", false)
    .option("--json", "the report as JSON on standard output", false)
    .option("--url <url>", SERVICE_URL_HELP)
    .option("--key <key>", SERVICE_KEY_HELP)
    .option("--user <id>", "the user whose sessions these are; by default they belong to the application itself")
    .addHelpText("after", ABOUT_FORMATS)
    .action(async (files, { patience, keepRecentTokens, ...options }) => {
      if (keepRecentTokens !== undefined && !options.finish) {
        throw new UsageFault("--keep-recent-tokens needs --finish");
      }
      process.exitCode = await run({
        format: undefined,
        url: undefined,
        key: undefined,
        user: undefined,
        ...options,
        files,
        keepRecentTokens: keepRecentTokens ?? DEFAULT_KEEP_RECENT_TOKENS,
        patienceMs: patience * 1_000,
      });
    });
}
