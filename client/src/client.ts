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
  /** Only sessions whose metadata has these texts. */
  metadata?: Readonly<Record<string, string>> | undefined;
}

/** A client of the service. Create one with `createClient`. Failed calls reject with a `ThreadkeepError`. */
export class Threadkeep {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** A client for another user, with the same options. For servers with a tenant's key. */
  withUser(user: string): Threadkeep {
    return new Threadkeep(this.#connection.withUser(user));
  }

  /** A session, which need not exist: the first append creates it. Sends no request. */
  session(id: string): Session {
    return new Session(this.#connection, id);
  }

  /** A user, to export or erase everything stored about them. Sends no request. */
  user(id: string): User {
    return new User(this.#connection, id);
  }

  /**
   * Creates a session, optionally with settings or with the summary of another session. An existing session is returned
   * unchanged.
   */
  create(request: NewSession = {}, options?: CallOptions): Promise<SessionState> {
    const body = { ...request, id: request.id ?? crypto.randomUUID() };
    return this.#connection.json({ method: "POST", path: "/sessions", body }, options);
  }

  /** Lists sessions, newest first: `for await (const { id } of threadkeep.sessions())`. */
  sessions({ metadata = {}, limit, ...options }: SessionListOptions = {}): List<ListedSession> {
    const filter = Object.fromEntries(Object.entries(metadata).map(([key, value]) => [`metadata.${key}`, value]));
    return listOf<ListedSession>((cursor) =>
      this.#connection.json({ method: "GET", path: "/sessions", query: { ...filter, cursor, limit } }, options),
    );
  }

  /** Searches the summary items of all sessions. A string is the query. */
  search(request: string | MemorySearchRequest, options?: CallOptions): Promise<MemorySearchResult> {
    const body = typeof request === "string" ? { query: request } : request;
    return this.#connection.json({ method: "POST", path: "/search", body }, options);
  }

  /**
   * Creates a session from an export. A large file is sent in parts, each of which is repeated after a lost answer;
   * `timeoutMs` applies to each request. With an `importId`, an interrupted import can be continued.
   */
  import(lines: ImportSource, options: ImportOptions = {}): Promise<ImportResult> {
    return importFile(this.#connection, lines, options);
  }
}

/** @throws {ThreadkeepError} `invalid_argument` if the options are not valid */
export function createClient(options: ClientOptions): Threadkeep {
  return new Threadkeep(new Connection(options));
}
