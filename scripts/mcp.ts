// npm run mcp: connects MCP clients that support only stdio. See `--help`.
import { stateFolder } from "./dev/paths.ts";
import { runBridge } from "./mcp/bridge.ts";
import { bridgeTarget } from "./mcp/target.ts";
import { createProgram, serviceUrl, stateOption } from "./program/command-line.ts";
import { runProgram } from "./program/run-program.ts";

const program = createProgram(
  "node scripts/run.mjs mcp",
  "Speaks MCP on standard input and output, and hands it on to a service.",
)
  .option("--url <url>", "the service (default: THREADKEEP_URL, else the one that npm start runs here)", serviceUrl)
  .option("-u, --user <id>", "the user whose memory is used (default: that of the tenant itself)")
  .addOption(stateOption("the state of the service that npm start runs", stateFolder))
  .addHelpText(
    "after",
    `
The API key is read from THREADKEEP_API_KEY, else, for the service that npm start runs here, from .threadkeep/dev.json.
A client starts it: docs/mcp.md has what to write into its configuration.

Example:
  node scripts/run.mjs mcp --user mira`,
  )
  .action(({ url, user, state }) => runBridge(bridgeTarget({ url, user, env: process.env, stateDirectory: state })));

await runProgram(program);
