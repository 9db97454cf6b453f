import { DurableObject } from "cloudflare:workers";
import { MAX_ID_LENGTH } from "../api/limits.ts";
import { TENANT_OWNER } from "../api/session.ts";
import { createOperationsClient } from "../control/client.ts";
import type { Operations } from "../control/operations.ts";

/** The bindings that a list of owners uses. */
export interface OwnersEnv {
  readonly OPERATIONS: DurableObjectNamespace<Operations>;
}

/** An owner, and the row after which the next page begins. */
export interface ListedOwner {
  readonly row: number;
  readonly owner: string;
}

/** How many rows one page of a search reads: a few milliseconds, and as many billed rows. */
const MAX_ROWS_READ = 10_000;

/** Names are padded to one width, so that SQLite never moves a row and leaves a copy of a name behind. */
const PADDED = `%-${MAX_ID_LENGTH}s`;
/**
 * When a table outgrows its first page, SQLite leaves a copy of that page's rows behind. These rows fill it with spaces
 * first.
 */
const SCHEMA = `
  CREATE TABLE owners (row INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, owner TEXT NOT NULL);
  INSERT INTO owners (row, token, owner) SELECT value, value, printf('%2000s', '') FROM json_each('[-2,-1,0]');
`;

/**
 * The list of all owners who have sessions in a tenant, for maintenance that visits all of them. One object for each
 * tenant, in the tenant's jurisdiction. A directory adds itself once, after its first response, under a random token.
 * Names are in no index, because an index would keep copies of erased names.
 */
export class Owners extends DurableObject<OwnersEnv> {
  #hasSchema: boolean;

  constructor(ctx: DurableObjectState, env: OwnersEnv) {
    super(ctx, env);
    this.#hasSchema = ctx.storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'owners'").toArray().length > 0;
  }

  /** Adds an owner. Idempotent by token. */
  async note(tenant: string, owner: string, token: string): Promise<void> {
    // Done before the first row is written, so that whoever lists the tenants finds this one.
    if (!this.#hasSchema) await createOperationsClient(this.env.OPERATIONS).noteUse(tenant);
    this.ctx.storage.transactionSync(() => {
      if (!this.#hasSchema) this.ctx.storage.sql.exec(SCHEMA);
      this.ctx.storage.sql.exec(
        "INSERT OR IGNORE INTO owners (token, owner) VALUES (?, printf(?, ?))",
        token,
        PADDED,
        owner,
      );
    });
    // Set after the commit, because a rollback would remove the table again.
    this.#hasSchema = true;
  }

  /**
   * Removes an owner. The name is overwritten first, because the content of a deleted row stays in its page.
   * Idempotent.
   */
  async forget(token: string): Promise<void> {
    if (!this.#hasSchema) return;
    this.ctx.storage.transactionSync(() => {
      this.ctx.storage.sql.exec("UPDATE owners SET owner = printf(?, '') WHERE token = ?", PADDED, token);
      this.ctx.storage.sql.exec("DELETE FROM owners WHERE token = ?", token);
    });
  }

  /**
   * Users whose name starts with `prefix`, ignoring case, newest first. A page ends when enough rows were read, so it
   * may be short or empty and still have a next one: names are in no index.
   * @param beforeRow the `nextRow` of the page before; null at the beginning
   * @returns `nextRow` is null at the end
   */
  async find(
    prefix: string,
    beforeRow: number | null,
    limit: number,
  ): Promise<{ owners: string[]; nextRow: number | null }> {
    const wanted = prefix.toLowerCase();
    const owners: string[] = [];
    if (!this.#hasSchema) return { owners, nextRow: null };
    let read = 0;
    for (const { row, owner } of this.ctx.storage.sql.exec<{ row: number; owner: string }>(
      "SELECT row, owner FROM owners WHERE row > 0 AND row < ? ORDER BY row DESC LIMIT ?",
      beforeRow ?? Number.MAX_SAFE_INTEGER,
      MAX_ROWS_READ + 1,
    )) {
      if (owners.length === limit || read === MAX_ROWS_READ) return { owners, nextRow: row + 1 };
      read += 1;
      const name = owner.trimEnd();
      if (name !== TENANT_OWNER && name.toLowerCase().startsWith(wanted)) owners.push(name);
    }
    return { owners, nextRow: null };
  }

  /**
   * A page of all owners, oldest first.
   * @param afterRow the last row of the page before; 0 at the beginning
   */
  async list(afterRow: number, limit: number): Promise<ListedOwner[]> {
    if (!this.#hasSchema) return [];
    return this.ctx.storage.sql
      .exec<{ row: number; owner: string }>(
        "SELECT row, owner FROM owners WHERE row > ? ORDER BY row LIMIT ?",
        Math.max(0, afterRow),
        limit,
      )
      .toArray()
      .map(({ row, owner }) => ({ row, owner: owner.trimEnd() }));
  }
}
