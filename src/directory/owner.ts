import type { UserRef } from "../api/user.ts";
import type { OwnersClient } from "./owners-client.ts";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS owner_note (
    one INTEGER PRIMARY KEY CHECK (one = 1), tenant TEXT NOT NULL, owner TEXT NOT NULL, token TEXT NOT NULL, noted_at INTEGER
  );
`;

interface NoteRow extends Record<string, SqlStorageValue> {
  readonly tenant: string;
  readonly owner: string;
  readonly token: string;
  readonly noted_at: number | null;
}

/** A directory's word to the list of owners that it is there. Owed with its first session; told by the alarm, until it is taken. */
export class OwnerNote {
  readonly #sql: SqlStorage;
  readonly #owners: OwnersClient;
  #telling: Promise<void> | null = null;

  constructor(sql: SqlStorage, owners: OwnersClient) {
    this.#sql = sql;
    this.#owners = owners;
  }

  /** @returns whether it is pending from now on, and was not before */
  schedule({ tenant, owner }: UserRef, newToken: () => string): boolean {
    if (this.#row() !== null) return false;
    this.#sql.exec(SCHEMA);
    this.#sql.exec(
      "INSERT INTO owner_note (one, tenant, owner, token, noted_at) VALUES (1, ?, ?, ?, NULL)",
      tenant,
      owner,
      newToken(),
    );
    return true;
  }

  isPending(): boolean {
    return this.#row()?.noted_at === null;
  }

  /** Idempotent. Rejects if the list is out of reach: it is pending still. */
  async tell(now: number): Promise<void> {
    this.#telling ??= this.#tell(now).finally(() => {
      this.#telling = null;
    });
    await this.#telling;
  }

  async #tell(now: number): Promise<void> {
    const row = this.#row();
    if (row === null || row.noted_at !== null) return;
    await this.#owners.note(row.tenant, row.owner, row.token);
    this.#sql.exec("UPDATE owner_note SET noted_at = ? WHERE one = 1", now);
  }

  /** Takes the name off the list. One that is on its way there is waited for, or it would come after. Idempotent. */
  async takeBack(): Promise<void> {
    await this.#telling?.catch(() => undefined);
    const row = this.#row();
    if (row !== null) await this.#owners.forget(row.tenant, row.token);
  }

  #row(): NoteRow | null {
    const isThere = this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'owner_note'").toArray().length > 0;
    return isThere ? (this.#sql.exec<NoteRow>("SELECT * FROM owner_note WHERE one = 1").toArray()[0] ?? null) : null;
  }
}
