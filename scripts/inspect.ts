// npm run inspect: a link that opens the inspector of the service on this machine, signed in. `--help` tells the rest.
import { existsSync, readFileSync } from "node:fs";
import { stateFolder, statePaths } from "./dev/paths.ts";
import { makeSignInLink } from "./dev/sign-in-link.ts";
import { StartError } from "./dev/start-error.ts";
import { noneOf, readCommandLine, readFolder } from "./program/command-line.ts";
import { EXIT, runProgram } from "./program/run-program.ts";

const HELP = `npm run --silent inspect     prints a link that opens the inspector, signed in: it works once, within 15 minutes

  --state DIR    the state of the running service (default: .threadkeep)
  --help         this text

Of another deployment, ask it with its admin key; the answer has the path of the link:

  curl -X POST https://memory.example/inspector/links -H "authorization: Bearer $THREADKEEP_ADMIN_KEY"
`;

const commandLine = readCommandLine(
  process.argv.slice(2),
  { state: { type: "string", default: stateFolder } } as const,
  (values, positionals) => {
    noneOf(positionals);
    return { stateDirectory: readFolder("--state", values.state) };
  },
);

await runProgram(commandLine, {
  help: HELP,
  hint: "npm run inspect -- --help tells the options.",
  run: async ({ stateDirectory }) => {
    const { devJson } = statePaths(stateDirectory);
    if (!existsSync(devJson))
      throw new StartError(`No service runs with its state in ${stateDirectory}. Start it: npm start`);
    console.log(await makeSignInLink(JSON.parse(readFileSync(devJson, "utf8"))));
    return EXIT.ok;
  },
});
