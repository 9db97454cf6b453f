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

/**
 * Tells the list of owners (`Owners`) that this directory exists. Scheduled with its first session, and sent by its
 * alarm until the list confirms it.
 */
export class OwnerNote {
  readonly #sql: SqlStorage;
  readonly #owners: OwnersClient;
  #telling: Promise<void> | null = null;

  constructor(sql: SqlStorage, owners: OwnersClient) {
    this.#sql = sql;
    this.#owners = owners;
  }

  /**
   * Schedules the note, once for each directory.
   * @returns whether it was scheduled now, and the alarm has to be set
   */
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

  /**
   * Sends the note if it is pending. Idempotent. Rejects if the list cannot be reached; the note then stays pending.
   */
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

  /**
   * Removes the owner from the list. A note that is being sent is awaited first, or it would arrive after the removal.
   * Idempotent.
   */
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
