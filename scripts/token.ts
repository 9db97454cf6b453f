// npm run token: prints a token of a user for the service on this machine. `--help` tells the rest.
import { userIdSchema } from "../src/contracts/session.ts";
import { signUserToken } from "./dev/issuer.ts";
import { stateFolder, statePaths } from "./dev/paths.ts";
import { noneOf, readCommandLine, readFolder, readNumber, UsageFault } from "./program/command-line.ts";
import { EXIT, runProgram } from "./program/run-program.ts";

const HELP = `npm run --silent token -- --user NAME [OPTION…]     prints a token of a user, as Supabase Auth would issue it

  --user NAME         whose sessions it opens, a text of up to 256 characters on one line, such as auth0|65f1c
  --expires-in N      seconds until it ends (default: 3600)
  --state DIR         the state of the service that is to believe it (default: .threadkeep)
  --help              this text

It is signed with a key that npm start makes, and good on this machine alone, also after another start:

  curl http://127.0.0.1:8787/v1/sessions -H "authorization: Bearer $(npm run --silent token -- --user mira)"
`;

/** A day longer than a year: longer is a mistyped number. */
const MAX_EXPIRY_SECONDS = 366 * 86_400;

const OPTIONS = {
  user: { type: "string", short: "u" },
  "expires-in": { type: "string", default: "3600" },
  state: { type: "string", default: stateFolder },
} as const;

const commandLine = readCommandLine(process.argv.slice(2), OPTIONS, (values, positionals) => {
  noneOf(positionals);
  const expiresInSeconds = readNumber("--expires-in", values["expires-in"], 1, MAX_EXPIRY_SECONDS);
  return { user: readUser(values.user), expiresInSeconds, stateDirectory: readFolder("--state", values.state) };
});

await runProgram(commandLine, {
  help: HELP,
  hint: "npm run token -- --help tells the options.",
  run: async ({ user, expiresInSeconds, stateDirectory }) => {
    console.log(await signUserToken(statePaths(stateDirectory).issuerKey, { user, expiresInSeconds }));
    return EXIT.ok;
  },
});

function readUser(text: string | undefined): string {
  if (text === undefined) throw new UsageFault("Whose token is it to be? Name a user: npm run token -- --user mira");
  const parsed = userIdSchema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new UsageFault(`--user ${parsed.error.issues[0]?.message ?? "is not valid"}.`);
}
