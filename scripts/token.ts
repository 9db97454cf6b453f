// npm run token: prints a token of a user for the service on this machine. `--help` tells the rest.
import path from "node:path";
import { parseArgs } from "node:util";
import { userIdSchema } from "../src/contracts/session.ts";
import { signUserToken } from "./dev/issuer.ts";
import { projectRoot, statePaths } from "./dev/paths.ts";
import { describeError, StartError } from "./dev/start-error.ts";

const HELP = `npm run --silent token -- --user NAME [OPTION…]     prints a token of a user, as Supabase Auth would issue it

  --user NAME         whose sessions it opens: 1 to 128 characters of A-Z a-z 0-9 . _ : -
  --expires-in N      seconds until it ends (default: 3600)
  --state DIR         the state of the service that is to believe it (default: .threadkeep)
  --help              this text

It is signed with a key that npm start makes, and good on this machine alone, also after another start:

  curl http://127.0.0.1:8787/v1/sessions -H "authorization: Bearer $(npm run --silent token -- --user mira)"
`;

/** A day longer than a year: longer is a mistyped number. */
const MAX_EXPIRY_SECONDS = 366 * 86_400;

try {
  const { values } = parseArgs({
    options: {
      user: { type: "string", short: "u" },
      "expires-in": { type: "string" },
      state: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) console.log(HELP);
  else {
    const { issuerKey } = statePaths(values.state ?? path.join(projectRoot, ".threadkeep"));
    const user = readUser(values.user);
    const expiresInSeconds = readExpiry(values["expires-in"] ?? "3600");
    console.log(await signUserToken(issuerKey, { user, expiresInSeconds }));
  }
} catch (error) {
  console.error(error instanceof StartError ? `\n${error.message}\n` : `${describeError(error)}\n\n${HELP}`);
  process.exitCode = 1;
}

function readUser(text: string | undefined): string {
  if (text === undefined) throw new StartError("Whose token is it to be? Name a user: npm run token -- --user mira");
  const parsed = userIdSchema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new StartError(`--user ${parsed.error.issues[0]?.message ?? "is not valid"}.`);
}

function readExpiry(text: string): number {
  const seconds = Number(text);
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= MAX_EXPIRY_SECONDS) return seconds;
  throw new StartError(
    `--expires-in must be a whole number of seconds from 1 to ${MAX_EXPIRY_SECONDS}, not "${text}".`,
  );
}
