// npm run mcp: the memory over stdio, for MCP clients that speak nothing else. `--help` tells the rest.
import { stateFolder } from "./dev/paths.ts";
import { runBridge } from "./mcp/bridge.ts";
import { bridgeTarget } from "./mcp/target.ts";
import { noneOf, readCommandLine, readFolder } from "./program/command-line.ts";
import { EXIT, runProgram } from "./program/run-program.ts";

const HELP = `node scripts/run.mjs mcp [OPTION…]     speaks MCP on standard input and output, and hands it on to a service

  --url URL       the service (default: THREADKEEP_URL, else the one that npm start runs here)
  --user NAME     whose memory it is (default: that of the tenant itself)
  --state DIR     the state of the service that npm start runs (default: .threadkeep)
  --help          this text

The API key is read from THREADKEEP_API_KEY, else, for the service that npm start runs here, from .threadkeep/dev.json.
A client starts it: docs/mcp.md has what to write into its configuration.
`;

const OPTIONS = {
  url: { type: "string" },
  user: { type: "string", short: "u" },
  state: { type: "string", default: stateFolder },
} as const;

const commandLine = readCommandLine(process.argv.slice(2), OPTIONS, ({ url, user, state }, positionals) => {
  noneOf(positionals);
  return bridgeTarget({ url, user, env: process.env, stateDirectory: readFolder("--state", state) });
});

await runProgram(commandLine, {
  help: HELP,
  hint: "node scripts/run.mjs mcp --help tells the options.",
  run: async (target) => {
    await runBridge(target);
    return EXIT.ok;
  },
});
