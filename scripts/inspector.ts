// npm run inspector: builds the page at `/` into dist/inspector. A start, a deployment and the tests do it themselves
// when necessary.
import { ensureInspector, INSPECTOR_BUILD } from "./inspector/ensure.ts";
import { createProgram } from "./program/command-line.ts";
import { runProgram } from "./program/run-program.ts";

const program = createProgram(
  "npm run inspector --",
  "Builds the inspector, the API reference and the OpenAPI document into dist/inspector, unless they are up to date.",
).action(async () => {
  await ensureInspector();
  console.log(`The inspector is built: ${INSPECTOR_BUILD}`);
});

await runProgram(program);
