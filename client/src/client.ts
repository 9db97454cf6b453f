import { type CallOptions, type ClientOptions, Connection } from "./connection.ts";
import type {
  ImportResult,
  ListedSession,
  MemorySearchRequest,
  MemorySearchResult,
  NewSession,
  SessionState,
} from "./contract.ts";
import { importFile, type ImportOptions, type ImportSource } from "./imports.ts";
import { type List, listOf } from "./list.ts";
import { type ListOptions, Session } from "./session.ts";
import { User } from "./user.ts";

export interface SessionListOptions extends ListOptions {
  /** Keep the sessions whose metadata has these texts. */
  metadata?: Readonly<Record<string, string>> | undefined;
}

/** The memory of your chats. Everything it gives or takes is typed by the contract of the service. */
export class Threadkeep {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The same for another user: what a server with a tenant's key calls with whom it speaks for. */
  withUser(user: string): Threadkeep {
    return new Threadkeep(this.#connection.withUser(user));
  }

  /** A session, there or not: its first append creates it. */
  session(id: string): Session {
    return new Session(this.#connection, id);
  }

  /** All that is known of a user: to take it out, or to erase it. */
  user(id: string): User {
    return new User(this.#connection, id);
  }

  /** Creates a session, with settings or with what another one holds; one that is there is given back as it is. */
  create(request: NewSession = {}, options?: CallOptions): Promise<SessionState> {
    const body = { ...request, id: request.id ?? crypto.randomUUID() };
    return this.#connection.json({ method: "POST", path: "/sessions", body }, options);
  }

  /** Newest first: `for await (const { id } of threadkeep.sessions())`. */
  sessions({ metadata = {}, limit, ...options }: SessionListOptions = {}): List<ListedSession> {
    const filter = Object.fromEntries(Object.entries(metadata).map(([key, value]) => [`metadata.${key}`, value]));
    return listOf<ListedSession>((cursor) =>
      this.#connection.json({ method: "GET", path: "/sessions", query: { ...filter, cursor, limit } }, options),
    );
  }

  /** What is known across all sessions. A string is the query. */
  search(request: string | MemorySearchRequest, options?: CallOptions): Promise<MemorySearchResult> {
    const body = typeof request === "string" ? { query: request } : request;
    return this.#connection.json({ method: "POST", path: "/search", body }, options);
  }

  /**
   * Makes a session of an export. A large file goes in parts, each of which is sent again after a lost answer; `timeoutMs` holds for each
   * request. With an `importId` an import that was interrupted goes on where it was.
   */
  import(lines: ImportSource, options: ImportOptions = {}): Promise<ImportResult> {
    return importFile(this.#connection, lines, options);
  }
}

/** @throws ThreadkeepError `invalid_argument` for options that cannot work */
export function createClient(options: ClientOptions): Threadkeep {
  return new Threadkeep(new Connection(options));
}
