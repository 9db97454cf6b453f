// Migrations only add: while a deploy or a rollback is under way two versions of the Worker use one schema.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { MIGRATIONS } from "../../src/session/sqlite/schema.ts";
import { projectRoot } from "../dev/paths.ts";

/** What an older version may still ask for would be gone, or refuse what it writes. */
const DESTRUCTIVE: readonly { pattern: RegExp; what: string }[] = [
  { pattern: /\bDROP\s+(?:TABLE|COLUMN|SCHEMA|TYPE|VIEW|FUNCTION|ROLE|OWNED)\b/i, what: "drops" },
  { pattern: /\bRENAME\s+(?:TO|COLUMN|CONSTRAINT|VALUE)\b/i, what: "renames" },
  { pattern: /\bTRUNCATE\b/i, what: "empties a table" },
  { pattern: /\bALTER\s+(?:COLUMN\s+)?"?\w+"?\s+(?:SET\s+DATA\s+)?TYPE\b/i, what: "changes the type of a column" },
  { pattern: /\bSET\s+NOT\s+NULL\b/i, what: "refuses rows that an older version writes" },
  {
    pattern: /\bADD\s+COLUMN\s+(?:(?!DEFAULT|GENERATED)[^;,])*\bNOT\s+NULL\b(?![^;,]*\b(?:DEFAULT|GENERATED)\b)/i,
    what: "adds a column that an older version does not fill",
  },
];

/** One line for each statement of a migration that does more than add: `where: what it does`. */
export function destructiveStatements(where: string, sql: string): string[] {
  const statements = withoutBodies(sql);
  return DESTRUCTIVE.filter(({ pattern }) => pattern.test(statements)).map(
    ({ what }) => `${where} ${what}: add beside it, and let a later release stop using the old`,
  );
}

/** Those of PostgreSQL and of the session object. */
export function findDestruction(): string[] {
  const folder = path.join(projectRoot, "migrations");
  const files = readdirSync(folder).filter((name) => name.endsWith(".sql"));
  return [
    ...files.flatMap((name) =>
      destructiveStatements(`migrations/${name}`, readFileSync(path.join(folder, name), "utf8")),
    ),
    ...MIGRATIONS.flatMap(({ id, sql }) => destructiveStatements(`migration ${id} of the session object`, sql)),
  ];
}

/** What a function does when it is called, and what a comment says, is no change of the schema. */
function withoutBodies(sql: string): string {
  return sql.replace(/\$(\w*)\$[\s\S]*?\$\1\$/g, "").replace(/--.*$/gm, "");
}
