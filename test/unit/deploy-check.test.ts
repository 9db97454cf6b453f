import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { listedBindings, missingBindings, typedBindings } from "../../scripts/deploy/binding-names.ts";
import { checkVariables } from "../../scripts/deploy/check-variables.ts";
import { destructiveStatements, findDestruction } from "../../scripts/deploy/find-destruction.ts";

const VARS = { THREADKEEP_API_TENANT: "default", THREADKEEP_MODEL: "extractive" };

describe("the bindings of an environment", () => {
  const typed = typedBindings(readFileSync("src/worker-configuration.d.ts", "utf8"));

  test("are those of the generated types, including optional ones", () => {
    expect(typed).toEqual(expect.arrayContaining(["CHAT_SESSION", "HYPERDRIVE", "AI", "THREADKEEP_API_KEY"]));
    expect(typed).not.toContain("mainModule");
  });

  test("are reported by name if an environment lacks them", () => {
    const output = [
      "Your Worker has access to the following bindings:",
      "env.CHAT_SESSION (ChatSession)    Durable Object",
      "env.AI                            AI",
      "see env.HYPERDRIVE",
    ].join("\n");
    expect(listedBindings(output)).toEqual(["CHAT_SESSION", "AI"]);
    expect(missingBindings(["CHAT_SESSION", "HYPERDRIVE", "AI"], listedBindings(output), "staging")).toEqual([
      expect.stringContaining("HYPERDRIVE is missing in the environment staging"),
    ]);
  });
});

describe("the variables of an environment", () => {
  test("are valid if their secrets are set", () => {
    expect(checkVariables({ ...VARS, THREADKEEP_MODEL: "anthropic/m" }, false)).toEqual([]);
    expect(checkVariables({ ...VARS, THREADKEEP_MODEL: "workers-ai/@cf/m" }, true)).toEqual([]);
  });

  test("report all faults: a bad value, a misspelt name, a secret that everybody could read", () => {
    const key = "tk_0123456789abcdefghij";
    const vars = { ...VARS, THREADKEEP_AUDIT_DAYS: 3, THREADKEEP_MODLE: "x", THREADKEEP_API_KEY: key };
    const faults = checkVariables(vars, false);
    expect(faults.map((fault) => fault.split(" ")[0]).toSorted()).toEqual([
      "THREADKEEP_API_KEY",
      "THREADKEEP_AUDIT_DAYS",
      "THREADKEEP_MODLE",
    ]);
    expect(faults.join("\n")).not.toContain(key);
  });

  test("cannot name a model of Workers AI without its binding", () => {
    expect(checkVariables({ ...VARS, THREADKEEP_MODEL: "workers-ai/@cf/m" }, false)).toEqual([
      expect.stringContaining("binding AI is missing"),
    ]);
  });
});

describe("migrations", () => {
  test("of PostgreSQL and of the session object only add", () => {
    expect(findDestruction()).toEqual([]);
  });

  test.each([
    ['DROP TABLE "messages";', "drops"],
    ['ALTER TABLE "messages" DROP COLUMN "role";', "drops"],
    ['alter table "messages"\n  rename column "role" to "speaker"', "renames"],
    ["ALTER TABLE messages RENAME TO turns;", "renames"],
    ['ALTER TABLE "messages" ALTER COLUMN "seq" SET DATA TYPE bigint;', "type of a column"],
    ['ALTER TABLE "messages" ALTER COLUMN "role" SET NOT NULL;', "refuses rows"],
    ['ALTER TABLE "messages" ADD COLUMN "mood" text NOT NULL;', "does not fill"],
    ["TRUNCATE messages;", "empties"],
  ])("with %j are refused", (sql, what) => {
    expect(destructiveStatements("migrations/0099_x.sql", sql)).toEqual([expect.stringContaining(what)]);
  });

  test.each([
    'ALTER TABLE "messages" ADD COLUMN "mood" text;',
    'ALTER TABLE "messages" ADD COLUMN "mood" text DEFAULT \'\' NOT NULL;',
    "ALTER TABLE session ADD COLUMN began_at INTEGER NOT NULL DEFAULT 0;",
    "-- DROP TABLE messages is what this does not do\nCREATE TABLE drops (a text NOT NULL);",
    "DROP INDEX old_one;",
    "CREATE FUNCTION f() RETURNS void AS $body$ BEGIN EXECUTE 'DROP TABLE x'; TRUNCATE y; END $body$;",
  ])("with %j are accepted", (sql) => {
    expect(destructiveStatements("migrations/0099_x.sql", sql)).toEqual([]);
  });
});
