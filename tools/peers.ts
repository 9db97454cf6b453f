// npm run peers: compares Threadkeep with other chat memories. Their packages are not dependencies of the product, so they are installed
// separately and loaded only here.
import { existsSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { StartError } from "../scripts/dev/start-error.ts";
import { runProgram } from "../scripts/program/run-program.ts";
import { type PeersOptions, peersProgram } from "./bench/peers/options.ts";

const directory = path.join(import.meta.dirname, "bench/peers");

await runProgram(
  peersProgram(async (options) => {
    if (!existsSync(path.join(directory, "node_modules"))) {
      throw new StartError("The other memories are not installed yet. Run: npm ci --prefix tools/bench/peers");
    }
    const { main }: { main: (given: PeersOptions) => Promise<number> } = await import(
      pathToFileURL(path.join(directory, "peers.ts")).href
    );
    return main(options);
  }),
);
