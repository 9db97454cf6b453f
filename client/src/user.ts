import type { CallOptions, Connection } from "./connection.ts";
import type { UserErasure } from "./contract.ts";
import { readLines } from "./lines.ts";
import type { UserTransferLine } from "./transfer.ts";
import { checkUserId } from "./user-id.ts";

/** Everything stored about one user. A tenant's key can be used for any user, a user's token only for that user. */
export class User {
  readonly id: string;
  readonly #connection: Connection;
  readonly #path: string;

  constructor(connection: Connection, id: string) {
    this.id = id;
    this.#connection = connection;
    this.#path = `/users/${encodeURIComponent(checkUserId(id))}`;
  }

  /** The lines of the user's export, as they arrive. Throws if the export is incomplete. */
  async *export(options: CallOptions = {}): AsyncGenerator<UserTransferLine> {
    const stream = await this.#connection.stream({ method: "GET", path: this.#path }, options);
    yield* readLines<UserTransferLine>(stream, options.signal, "user-end");
  }

  /** Erases the user everywhere, in the background. Repeat it to see the progress. */
  erase(options?: CallOptions): Promise<UserErasure> {
    return this.#connection.json({ method: "DELETE", path: this.#path }, options);
  }

  erasure(options?: CallOptions): Promise<UserErasure> {
    return this.#connection.json({ method: "GET", path: `${this.#path}/erasure` }, options);
  }
}
