// npm run token: prints a user's token for the local service. See `--help`.
import { InvalidArgumentError } from "@commander-js/extra-typings";
import { userIdSchema } from "../src/api/session.ts";
import { signUserToken } from "./dev/issuer.ts";
import { stateFolder, statePaths } from "./dev/paths.ts";
import { createProgram, stateOption, wholeNumber } from "./program/command-line.ts";
import { runProgram } from "./program/run-program.ts";

/** A year and a day; more is a typing error. */
const MAX_EXPIRY_SECONDS = 366 * 86_400;

const program = createProgram(
  "npm run --silent token --",
  "Prints a token of a user, as Supabase Auth would issue it. It is good on this machine alone, also after another start.",
)
  .requiredOption("-u, --user <id>", "whose sessions it opens, such as mira or auth0|65f1c", readUser)
  .option("--expires-in <seconds>", "how long it is good", wholeNumber(1, MAX_EXPIRY_SECONDS), 3_600)
  .addOption(stateOption("the state of the service that is to believe it", stateFolder))
  .addHelpText(
    "after",
    `
It is signed with a key that npm start makes.

Example:
  curl http://127.0.0.1:8787/v1/sessions -H "authorization: Bearer $(npm run --silent token -- --user mira)"`,
  )
  .action(async ({ user, expiresIn: expiresInSeconds, state }) => {
    console.log(await signUserToken(statePaths(state).issuerKey, { user, expiresInSeconds }));
  });

await runProgram(program);

function readUser(text: string): string {
  const parsed = userIdSchema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError(`It ${parsed.error.issues[0]?.message ?? "is not valid"}.`);
}
