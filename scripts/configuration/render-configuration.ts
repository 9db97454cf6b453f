// docs/configuration.md, from the table that the Worker checks its environment by.
import { type VariableRow, variableRows } from "../../src/config/variables.ts";

const HEAD = `# Configuration

Every variable of a deployment. Made by \`npm run configuration\` from
[src/config/variables.ts](../src/config/variables.ts): change it there.

- **Variables** stand in \`wrangler.toml\`, under \`[env.staging.vars]\` and \`[env.production.vars]\`; \`[vars]\` is for a laptop.
- **Secrets** are set with \`npx wrangler secret put NAME --env production\`, and stand in no file.
- **On a laptop** \`npm start\` takes both from the environment, but for those that it makes by itself.

They are checked together. A deployment with a fault in them answers nothing, and one message names all the faults and how
to mend each; a name that begins like one of these and is none is a fault too. \`npm run deploy:check\` tells of those in
\`wrangler.toml\` beforehand, and [a deploy](deploy.md) stops before traffic reaches a version that has any.
`;

const COLUMNS = `| name | meaning | default | with \`npm start\` | secret |
| --- | --- | --- | --- | --- |`;

export function renderConfiguration(): string {
  return `${HEAD}\n${COLUMNS}\n${variableRows().map(rowOf).join("\n")}\n`;
}

function rowOf({ name, meaning, default: byDefault, local, isMadeLocally, isSecret }: VariableRow): string {
  const cells = [
    `\`${name}\``,
    meaning,
    defaultText(byDefault),
    isMadeLocally === true ? "made by itself" : (local ?? "the same"),
    isSecret === true ? "yes" : "no",
  ];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function defaultText(value: string | null): string {
  if (value === null) return "none: it has to be set";
  return value === "" ? "empty" : `\`${value}\``;
}
