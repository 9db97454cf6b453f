// npm run configuration: writes docs/configuration.md from the table of variables. A test fails if they differ.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { projectRoot } from "../scripts/dev/paths.ts";
import { createProgram } from "../scripts/program/command-line.ts";
import { runProgram } from "../scripts/program/run-program.ts";
import { renderConfiguration } from "./configuration/render-configuration.ts";

const program = createProgram(
  "npm run configuration --",
  "Writes docs/configuration.md from the table of variables in src/config/variables.ts.",
).action(() => {
  const file = path.join(projectRoot, "docs/configuration.md");
  writeFileSync(file, renderConfiguration());
  console.log(`${path.relative(process.cwd(), file)} is up to date with src/config/variables.ts.`);
});

await runProgram(program);
