import type { CallOptions, Connection } from "./connection.ts";
import type { UserErasure } from "./contract.ts";
import { readLines } from "./lines.ts";
import type { UserTransferLine } from "./transfer.ts";
import { checkUserId } from "./user-id.ts";

const PAGE_ENDS = ["user-next", "user-end"] as const;
const ADVICE =
  "Request it again. To keep what has arrived, discard the lines after the last user-next and call export with its cursor.";

export interface UserExportOptions extends CallOptions {
  /** Continues an export after the line `user-next` with this cursor. */
  cursor?: string | undefined;
}

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

  /**
   * The lines of the user's export, as they arrive, page after page; the last one is `user-end`. Throws if the export is
   * incomplete. Then keep the lines up to the last `user-next`, and pass its cursor to read the rest.
   */
  async *export({ cursor: from, ...options }: UserExportOptions = {}): AsyncGenerator<UserTransferLine> {
    for (let cursor = from, isLast = false; !isLast;) {
      const request = { method: "GET" as const, path: this.#path, query: { cursor } };
      const stream = await this.#connection.stream(request, options);
      for await (const line of readLines<UserTransferLine>(stream, options.signal, PAGE_ENDS, ADVICE)) {
        if (line.type === "user-next") cursor = line.cursor;
        isLast = line.type === "user-end";
        yield line;
      }
    }
  }

  /** Erases the user everywhere, in the background. Repeat it to see the progress. */
  erase(options?: CallOptions): Promise<UserErasure> {
    return this.#connection.json({ method: "DELETE", path: this.#path }, options);
  }

  erasure(options?: CallOptions): Promise<UserErasure> {
    return this.#connection.json({ method: "GET", path: `${this.#path}/erasure` }, options);
  }
}
