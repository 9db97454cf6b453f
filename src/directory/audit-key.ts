import { createHmac } from "node:crypto";

const AUDIT_KEY_BYTES = 32;
/** How many hexadecimal digits a user's name has in the audit log: 128 bits, so that two users never share one. */
const AUDIT_NAME_LENGTH = 32;

/** The secret key with which the owner's name in the audit log is made. It never leaves the directory's object. */
export class AuditKey {
  readonly #storage: Pick<DurableObjectStorage, "sql" | "transactionSync">;

  constructor(storage: Pick<DurableObjectStorage, "sql" | "transactionSync">) {
    this.#storage = storage;
  }

  /**
   * The owner's name in the audit log, an HMAC of the owner's id. Null if the key was destroyed, or if there is none
   * and `mayMake` is false.
   */
  nameOf(owner: string, mayMake: boolean): string | null {
    const row = this.#row();
    const key = row === undefined && mayMake ? this.#make() : row?.key;
    if (key === undefined || key === null) return null;
    return createHmac("sha256", new Uint8Array(key)).update(owner).digest("hex").slice(0, AUDIT_NAME_LENGTH);
  }

  /** Whether there is a key that was not destroyed. */
  isThere(): boolean {
    const row = this.#row();
    return row !== undefined && row.key !== null;
  }

  /** Destroys the key for good: nobody can tell any more which events of the audit log are the owner's. Idempotent. */
  destroy(): void {
    this.#put(null);
  }

  #row(): { readonly key: ArrayBuffer | null } | undefined {
    const { sql } = this.#storage;
    if (sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'audit_key'").toArray().length === 0) return undefined;
    return sql.exec<{ key: ArrayBuffer | null }>("SELECT key FROM audit_key").toArray()[0];
  }

  #make(): ArrayBuffer {
    const key = crypto.getRandomValues(new Uint8Array(AUDIT_KEY_BYTES)).buffer;
    this.#put(key);
    return key;
  }

  #put(key: ArrayBuffer | null): void {
    const { sql } = this.#storage;
    this.#storage.transactionSync(() => {
      sql.exec("CREATE TABLE IF NOT EXISTS audit_key (one INTEGER PRIMARY KEY CHECK (one = 1), key BLOB)");
      sql.exec("INSERT OR REPLACE INTO audit_key (one, key) VALUES (1, ?)", key);
    });
  }
}
