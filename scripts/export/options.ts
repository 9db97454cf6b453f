// The command line of the export.
import { createProgram, outputFile, UsageFault, wholeNumber } from "../program/command-line.ts";
import { SERVICE_KEY_HELP, SERVICE_URL_HELP } from "../program/find-service.ts";

const DEFAULT_PATIENCE_SECONDS = 60;
const MAX_PATIENCE_SECONDS = 86_400;

const ABOUT_FILE = `
The file is JSON Lines. That of a user has everything that is stored about them: their sessions with messages, summaries and
items, newest session first, and their failed jobs. It ends with the line "user-end". A session's has that session alone, ends
with the line "end", and npm run import takes it as it is.

A file that such an export left unfinished is continued by the same command. Any other file that exists is left alone without
--overwrite.

Exit codes: 0 all is there; 1 refused, or the session was edited meanwhile: export it again; 3 the service went away, run the
same command again to go on; 64 wrong usage; 130 interrupted, run the same command again to go on.

Examples:
  npm run export -- mira.jsonl --user mira
  npm run export -- lisbon.jsonl --user mira --session lisbon`;

export interface ExportOptions {
  readonly file: string;
  readonly user: string | undefined;
  readonly session: string | undefined;
  readonly overwrite: boolean;
  readonly patienceMs: number;
  readonly url: string | undefined;
  readonly key: string | undefined;
}

export function exportProgram(run: (options: ExportOptions) => Promise<number>) {
  return createProgram("npm run export --", "Writes what a running Threadkeep stores about a user, or a session.")
    .argument("<file>", "the file to write", outputFile)
    .option("--user <id>", "the user; without --session everything about them is written")
    .option("--session <id>", "one session, of the user or, without --user, of the application itself")
    .option("--overwrite", "replace the file, whatever it is", false)
    .option(
      "--patience <seconds>",
      "keep trying for this long when the service does not answer",
      wholeNumber(0, MAX_PATIENCE_SECONDS),
      DEFAULT_PATIENCE_SECONDS,
    )
    .option("--url <url>", SERVICE_URL_HELP)
    .option("--key <key>", SERVICE_KEY_HELP)
    .addHelpText("after", ABOUT_FILE)
    .action(async (file, { patience, user, session, url, key, overwrite }) => {
      if (user === undefined && session === undefined) throw new UsageFault("name what to export: --user or --session");
      process.exitCode = await run({ file, user, session, url, key, overwrite, patienceMs: patience * 1_000 });
    });
}
