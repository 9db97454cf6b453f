// npm run peers: Threadkeep beside other memories of chats. `--help` tells the rest. They are packages that the product does not depend on,
// so they are installed by themselves, and loaded only here.
import { existsSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { EXIT } from "../scripts/program/run-program.ts";

const directory = path.join(import.meta.dirname, "bench/peers");
if (existsSync(path.join(directory, "node_modules"))) {
  const { main }: { main: (args: readonly string[]) => Promise<void> } = await import(
    pathToFileURL(path.join(directory, "peers.ts")).href
  );
  await main(process.argv.slice(2));
} else {
  console.error("The other memories are not installed yet. Run: npm ci --prefix tools/bench/peers");
  process.exitCode = EXIT.failed;
}
