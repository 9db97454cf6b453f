// npm run example -- NAME: an application of Threadkeep, on the service that runs here.
import { readLocalService } from "./api.ts";
import { stateFolder } from "./dev/paths.ts";
import { StartError } from "./dev/start-error.ts";
import { EXAMPLES, isWorkerExample, needsService, runExample } from "./examples/run-example.ts";
import { type CommandLine, readServiceUrl } from "./program/command-line.ts";
import { EXIT, runProgram } from "./program/run-program.ts";

const HELP = `npm run example -- NAME     one of ${EXAMPLES.join(", ")}; see examples/README.md

It talks to the service that npm start runs here, or to the one at THREADKEEP_URL with THREADKEEP_API_KEY.`;

const stateDirectory = stateFolder;
const { THREADKEEP_URL: url, THREADKEEP_API_KEY: apiKey } = process.env;

await runProgram(readName(process.argv.slice(2)), {
  help: HELP,
  hint: "npm run example -- --help tells what there is.",
  run: async ({ name, args }) => {
    if (isWorkerExample(name)) {
      const { runWorkerExample } = await import("./examples/worker-example.ts");
      await runWorkerExample(name, stateDirectory);
      return EXIT.ok;
    }
    if (!needsService(name)) return runExample(name, args, null);
    const named =
      url === undefined || apiKey === undefined ? null : { url: readServiceUrl("THREADKEEP_URL", url), apiKey };
    const service = named ?? readLocalService(stateDirectory);
    if (service === null) throw new StartError("No service runs here. Start it with npm start, then this again.");
    return runExample(name, args, service);
  },
});

/** What follows the name is for the example to read. */
function readName([name, ...args]: readonly string[]): CommandLine<{ name: string; args: string[] }> {
  if (name === "--help" || name === "-h") return { help: true };
  if (name === undefined) return { fault: "name an example" };
  return EXAMPLES.includes(name) ? { options: { name, args } } : { fault: `there is no example ${name}` };
}
