// Selects from an environment the settings of the Worker: everything in src/config/variables.ts except what a start
// sets itself.
import { unknownVariables } from "../../src/config/unknown-variables.ts";
import { type VariableRow, variableRows } from "../../src/config/variables.ts";
import { StartError } from "./start-error.ts";

/** Variables that programs and tests of this repository read from the same environment. */
const NAMES_OF_PROGRAMS = new Set(["THREADKEEP_URL"]);

/**
 * Passes settings from the environment to the Worker unchanged. Empty ones count as not set; an unknown name is refused
 * as a typing error.
 */
export function workerSettings(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const unknown = unknownVariables(Object.keys(env).filter((name) => !NAMES_OF_PROGRAMS.has(name)));
  if (unknown.length > 0) {
    throw new StartError(`The environment has faults:\n${unknown.map((fault) => `- ${fault}`).join("\n")}`);
  }
  return Object.fromEntries(
    takenRows().flatMap(({ name }) => {
      const value = env[name];
      return value === undefined || value === "" ? [] : [[name, value]];
    }),
  );
}

/** Text for `npm start -- --help`. */
export function describeSettings(): string {
  return takenRows()
    .map(({ name, meaning, local, default: byDefault }) => {
      const otherwise = local ?? (byDefault === null || byDefault === "" ? "" : byDefault);
      const text = `${meaning}${otherwise === "" ? "" : ` (default here: ${otherwise})`}`.replaceAll("`", "");
      return `  ${name}\n${wrap(text, 110)
        .map((line) => `      ${line}`)
        .join("\n")}`;
    })
    .join("\n");
}

function takenRows(): VariableRow[] {
  return variableRows().filter(({ isMadeLocally }) => isMadeLocally !== true);
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
