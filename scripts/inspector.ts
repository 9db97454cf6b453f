// npm run inspector: builds the page at `/` into dist/inspector. A start, a deploy and the tests do it by themselves where it is needed.
import { ensureInspector, INSPECTOR_BUILD } from "./inspector/ensure.ts";
import { noneOf, readCommandLine } from "./program/command-line.ts";
import { EXIT, runProgram } from "./program/run-program.ts";

const HELP = `npm run inspector     builds the inspector, the API reference and the OpenAPI document into dist/inspector, unless they are up to date`;

const commandLine = readCommandLine(process.argv.slice(2), {}, (_values, positionals) => {
  noneOf(positionals);
  return {};
});

await runProgram(commandLine, {
  help: HELP,
  hint: HELP,
  run: async () => {
    await ensureInspector();
    console.log(`The inspector is built: ${INSPECTOR_BUILD}`);
    return EXIT.ok;
  },
});
