import { DurableObject } from "cloudflare:workers";
import { MAX_ID_LENGTH } from "../api/limits.ts";
import { TENANT_OWNER } from "../api/session.ts";
import { createOperationsClient } from "../control/client.ts";
import type { Operations } from "../control/operations.ts";

/** The part of the environment that a list of owners uses. */
export interface OwnersEnv {
  readonly OPERATIONS: DurableObjectNamespace<Operations>;
}

/** An owner, and the place on the list to go on after. */
export interface ListedOwner {
  readonly row: number;
  readonly owner: string;
}

/** In one page of a search: some milliseconds, and as many billed rows. */
const MAX_ROWS_READ = 10_000;

/** Every row has one width, so that none is ever moved and leaves a copy of a name behind. */
const PADDED = `%-${MAX_ID_LENGTH}s`;
/** A table that outgrows its first page leaves a copy of its rows there: these are blanks. */
const SCHEMA = `
  CREATE TABLE owners (row INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, owner TEXT NOT NULL);
  INSERT INTO owners (row, token, owner) SELECT value, value, printf('%2000s', '') FROM json_each('[-2,-1,0]');
`;

/**
 * Who has sessions in a tenant, for those who come to all of them: one object a tenant, in the tenant's jurisdiction. Directories note
 * themselves here once, behind their first answer, under a token of their own: the name itself stands in no index, which would keep it.
 */
export class Owners extends DurableObject<OwnersEnv> {
  #hasSchema: boolean;

  constructor(ctx: DurableObjectState, env: OwnersEnv) {
    super(ctx, env);
    this.#hasSchema = ctx.storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'owners'").toArray().length > 0;
  }

  /** Idempotent by token. */
  async note(tenant: string, owner: string, token: string): Promise<void> {
    // Before the first row: who lists the tenants then finds this one.
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
    // Not before it is committed: a transaction that is rolled back takes the table along.
    this.#hasSchema = true;
  }

  /** Idempotent. What stood there is overwritten first: a row that is only deleted stays in its page. */
  async forget(token: string): Promise<void> {
    if (!this.#hasSchema) return;
    this.ctx.storage.transactionSync(() => {
      this.ctx.storage.sql.exec("UPDATE owners SET owner = printf(?, '') WHERE token = ?", PADDED, token);
      this.ctx.storage.sql.exec("DELETE FROM owners WHERE token = ?", token);
    });
  }

  /**
   * Newest first: those whose name begins so, in whatever case. A page ends where enough rows were read for it, though it has few names, or none: names
   * stand in no index.
   * @param beforeRow null at the beginning
   * @returns with the row to go on before; null at the end
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

  /** In the order in which they came. @param afterRow 0 at the beginning */
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
