// Checks that migrations only add to the schema, because during a deployment or a rollback two versions of the Worker
// use it.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { TABLE_GROUPS } from "../../src/session/sqlite/schema.ts";
import { projectRoot } from "../dev/paths.ts";

/** Statements after which an older version would miss something, or be unable to write. */
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

/**
 * One line for each statement that does more than add: `where: what it does`.
 * @internal SQL has cases that no migration has.
 */
export function destructiveStatements(where: string, sql: string): string[] {
  const statements = withoutBodies(sql);
  return DESTRUCTIVE.filter(({ pattern }) => pattern.test(statements)).map(
    ({ what }) => `${where} ${what}: add beside it, and let a later release stop using the old`,
  );
}

/** Checks the migrations of PostgreSQL and of the session object. */
export function findDestruction(): string[] {
  const folder = path.join(projectRoot, "migrations");
  const files = readdirSync(folder).filter((name) => name.endsWith(".sql"));
  return [
    ...files.flatMap((name) =>
      destructiveStatements(`migrations/${name}`, readFileSync(path.join(folder, name), "utf8")),
    ),
    ...Object.entries(TABLE_GROUPS).flatMap(([name, sql]) => destructiveStatements(`the tables of ${name}`, sql)),
  ];
}

/** Removes the bodies of functions and comments, because they do not change the schema. */
function withoutBodies(sql: string): string {
  return sql.replace(/\$(\w*)\$[\s\S]*?\$\1\$/g, "").replace(/--.*$/gm, "");
}
