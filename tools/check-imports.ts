import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { projectRoot } from "../scripts/dev/paths.ts";
import { findImportViolations } from "./check/import-rules.ts";

const sources = new Map<string, string>();
for (const area of ["src", "client/src", "scripts", "tools", "simulation", "inspector"]) {
  const directory = path.join(projectRoot, area);
  if (!existsSync(directory)) continue;
  for (const name of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
    if (!/\.[cm]?[jt]sx?$/.test(name)) continue;
    if (name.includes("node_modules")) continue;
    const file = path.join(directory, name);
    sources.set(path.relative(projectRoot, file).replaceAll(path.sep, "/"), readFileSync(file, "utf8"));
  }
}

const violations = findImportViolations(sources);
for (const violation of violations) console.error(violation);
if (violations.length > 0)
  console.error(`\n${violations.length} imports break the rules in tools/check/import-rules.ts.`);
else console.log(`The imports of ${sources.size} files follow the rules in tools/check/import-rules.ts.`);
process.exitCode = violations.length > 0 ? 1 : 0;
