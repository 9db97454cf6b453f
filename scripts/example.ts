// npm run example -- NAME: runs an example application with the local service.
import { Argument } from "@commander-js/extra-typings";
import { readLocalService } from "./api.ts";
import { stateFolder } from "./dev/paths.ts";
import { StartError } from "./dev/start-error.ts";
import { EXAMPLES, isWorkerExample, needsService, runExample } from "./examples/run-example.ts";
import { createProgram, readVariable, serviceUrl } from "./program/command-line.ts";
import { EXIT, runProgram } from "./program/run-program.ts";

const program = createProgram("npm run example --", "Runs an example application; see examples/README.md.")
  .addArgument(new Argument("<name>", "which").choices(EXAMPLES))
  .argument("[args...]", "arguments for the example")
  .passThroughOptions()
  .addHelpText(
    "after",
    `
It talks to the service that npm start runs here, or to the one at THREADKEEP_URL with THREADKEEP_API_KEY.

Example:
  npm run example -- ${EXAMPLES[0]}`,
  )
  .action(async (name, args) => {
    process.exitCode = await run(name, args);
  });

await runProgram(program);

async function run(name: string, args: readonly string[]): Promise<number> {
  if (isWorkerExample(name)) {
    const { runWorkerExample } = await import("./examples/worker-example.ts");
    await runWorkerExample(name, stateFolder);
    return EXIT.ok;
  }
  if (!needsService(name)) return runExample(name, args, null);
  const { THREADKEEP_URL: url, THREADKEEP_API_KEY: apiKey } = process.env;
  const named =
    url === undefined || apiKey === undefined ? null : { url: readVariable("THREADKEEP_URL", url, serviceUrl), apiKey };
  const service = named ?? readLocalService(stateFolder);
  if (service === null) throw new StartError("No service runs here. Start it with npm start, then this again.");
  return runExample(name, args, service);
}
