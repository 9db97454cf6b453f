import type { CallOptions, Connection } from "./connection.ts";
import type { UserErasure } from "./contract.ts";
import { readLines } from "./lines.ts";
import type { UserTransferLine } from "./transfer.ts";
import { checkUserId } from "./user-id.ts";

/** All that is known of one user. A tenant's key may ask of any, a user's token of its own. */
export class User {
  readonly id: string;
  readonly #connection: Connection;
  readonly #path: string;

  constructor(connection: Connection, id: string) {
    this.id = id;
    this.#connection = connection;
    this.#path = `/users/${encodeURIComponent(checkUserId(id))}`;
  }

  /** As lines, as they come. An export that was cut off throws. */
  async *export(options: CallOptions = {}): AsyncGenerator<UserTransferLine> {
    const stream = await this.#connection.stream({ method: "GET", path: this.#path }, options);
    yield* readLines<UserTransferLine>(stream, options.signal, "user-end");
  }

  /** Erases the user everywhere, in the background. Ask again to see how far it is. */
  erase(options?: CallOptions): Promise<UserErasure> {
    return this.#connection.json({ method: "DELETE", path: this.#path }, options);
  }

  erasure(options?: CallOptions): Promise<UserErasure> {
    return this.#connection.json({ method: "GET", path: `${this.#path}/erasure` }, options);
  }
}
