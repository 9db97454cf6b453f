// npm run example -- NAME: an application of Threadkeep, on the service that runs here.
import path from "node:path";
import { readLocalService } from "./api.ts";
import { projectRoot } from "./dev/paths.ts";
import { StartError } from "./dev/start-error.ts";
import { EXAMPLES, isWorkerExample, runExample, runWorkerExample } from "./examples/run-example.ts";

const HELP = `npm run example -- NAME     one of ${EXAMPLES.join(", ")}; see examples/README.md

It talks to the service that npm start runs here, or to the one at THREADKEEP_URL with THREADKEEP_API_KEY.`;

const [name = "", ...args] = process.argv.slice(2);
const stateDirectory = path.join(projectRoot, ".threadkeep");
const { THREADKEEP_URL: url, THREADKEEP_API_KEY: apiKey } = process.env;

try {
  if (!EXAMPLES.includes(name)) console.log(HELP);
  else if (isWorkerExample(name)) await runWorkerExample(name, stateDirectory);
  else {
    const named = url === undefined || apiKey === undefined ? null : { url, apiKey };
    const service = named ?? readLocalService(stateDirectory);
    if (service === null) throw new StartError("No service runs here. Start it with npm start, then this again.");
    process.exitCode = await runExample(name, args, service);
  }
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
