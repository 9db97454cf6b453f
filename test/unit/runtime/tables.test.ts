import { describe, expect, it } from "vitest";
import { Disk, ObjectStorage } from "../../../simulation/object-storage.ts";
import { TABLE_GROUPS } from "../../../src/session/sqlite/schema.ts";
import { Tables } from "../../../src/session/sqlite/tables.ts";
import { standIn } from "./stand-in.ts";

const COUNT = "SELECT count(*) AS count FROM hidden";

function opened() {
  const disk = new Disk();
  const storage = new ObjectStorage(disk);
  const statements: string[] = [];
  const sql = {
    exec: (query: string, ...bindings: unknown[]) => {
      statements.push(query);
      return storage.sql.exec(query, ...bindings);
    },
  };
  const tables = new Tables(standIn<SqlStorage>(sql));
  const names = () => disk.read("SELECT name FROM sqlite_master WHERE sql IS NOT NULL").map(({ name }) => name);
  return { storage, statements, tables, names };
}

describe("a group of tables", () => {
  it("is empty for reads, edits and deletions, none of which creates it", () => {
    const { tables, statements, names } = opened();
    const group = tables.group("summaries");
    expect(group.exec(COUNT).toArray()).toEqual([]);
    expect(group.exec("UPDATE hidden SET seq = 1").rowsWritten).toBe(0);
    expect(group.exec("DELETE FROM hidden").rowsWritten).toBe(0);
    expect(() => group.exec(COUNT).one()).toThrow("does not exist yet");
    expect(tables.isEmpty).toBe(true);
    expect(names()).toEqual([]);
    // Which tables there are is read once.
    expect(statements).toHaveLength(1);
  });

  it("is created as a whole by the first row, without another group, and costs no statement afterwards", () => {
    const { tables, statements, names } = opened();
    const group = tables.group("summaries");
    group.exec("INSERT INTO hidden (seq) VALUES (?)", 7);
    expect(names()).toEqual(["summaries", "item_blocks", "hidden"]);
    statements.length = 0;
    expect(group.exec(COUNT).toArray()).toEqual([{ count: 1 }]);
    group.exec("INSERT INTO hidden (seq) VALUES (?)", 8);
    expect(statements).toHaveLength(2);
    group.drop();
    expect([names(), group.exec(COUNT).toArray()]).toEqual([[], []]);
  });

  it("is created again after the transaction that created it was rolled back", () => {
    const { tables, storage, names } = opened();
    const group = tables.group("summaries");
    const insert = (): unknown => group.exec("INSERT INTO hidden (seq) VALUES (1)");
    const fault = new Error("the transaction fails");
    expect(() =>
      storage.transactionSync(() => {
        insert();
        throw fault;
      }),
    ).toThrow(fault);
    tables.forget();
    expect([names(), group.exec(COUNT).toArray()]).toEqual([[], []]);
    insert();
    expect(group.exec(COUNT).toArray()).toEqual([{ count: 1 }]);
  });

  it.each(Object.entries(TABLE_GROUPS))("is named after what it creates first: %s", (name, sql) => {
    expect(/CREATE (?:TABLE|INDEX) (\w+)/.exec(sql)?.[1]).toBe(name);
  });
});
