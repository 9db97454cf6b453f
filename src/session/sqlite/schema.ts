/**
 * The object's tables. From the first deployment on, migrations are append-only: a released one never changes, a later one only adds.
 * Nothing was deployed yet, so there is one, and the first append to a session pays for one.
 */

interface Migration {
  /** Rises by one. */
  readonly id: number;
  readonly sql: string;
}

export const MIGRATIONS: readonly Migration[] = [
  {
    id: 1,
    sql: `
      CREATE TABLE session (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        tenant TEXT NOT NULL,
        owner TEXT NOT NULL,
        session TEXT NOT NULL,
        epoch TEXT NOT NULL,
        hash_key BLOB NOT NULL,
        metadata TEXT NOT NULL,
        settings TEXT NOT NULL,
        archive_rev INTEGER NOT NULL DEFAULT 0,
        archived_rev INTEGER NOT NULL DEFAULT 0,
        archived_version INTEGER NOT NULL DEFAULT 0,
        archive_replace INTEGER NOT NULL DEFAULT 0,
        created_at INTEGER NOT NULL,
        erased_at INTEGER,
        -- Of lives of one id the one that began last counts; created_at is what clients see, and comes along with an import.
        began_at INTEGER NOT NULL DEFAULT 0,
        tenant_rev INTEGER NOT NULL DEFAULT 0,
        tenant_settings TEXT NOT NULL DEFAULT '{}',
        -- Edits and erasures so far: whoever copies page by page sees by it that something changed behind it.
        changes INTEGER NOT NULL DEFAULT 0,
        expired_at INTEGER,
        -- JSON while the session is a copy that is not whole yet.
        copying TEXT,
        -- The revs of an epoch begin where no earlier epoch of the id can have ended: clients see them with this added.
        rev_base INTEGER NOT NULL DEFAULT 0,
        -- The newest word of the directory that reached this epoch: an entry of a later one belongs to a later epoch.
        granted_at INTEGER NOT NULL DEFAULT 0,
        -- The word by which it began.
        begun_by INTEGER NOT NULL DEFAULT 0,
        -- JSON while the archive holds messages, or is to.
        message_archive TEXT,
        -- What messages take now beyond what stands in their rows, summed over the session: see cost_change of a message.
        cost_change INTEGER NOT NULL DEFAULT 0,
        bytes_change INTEGER NOT NULL DEFAULT 0,
        -- When an edit last said something else, and the tokens that edits brought on the day of the last one that brought any.
        edited_at INTEGER,
        edited_day INTEGER,
        edited_tokens INTEGER NOT NULL DEFAULT 0,
        -- Rows that PostgreSQL refuses, and that are here alone.
        archive_aside INTEGER NOT NULL DEFAULT 0,
        -- JSON of the import that this session came of: its id, and what it brought.
        imported TEXT,
        -- Changes by clients in this epoch: two of the metadata that cross on their way to the list are told apart by it.
        metadata_rev INTEGER NOT NULL DEFAULT 0,
        -- The last version of the summary that the archive holds at archive_rev: a long history goes there in pages, a revision each.
        archive_version INTEGER NOT NULL DEFAULT 0,
        -- What the names of files are hashed with; made with the first file.
        file_key BLOB
      );

      CREATE TABLE messages (
        seq INTEGER PRIMARY KEY,
        client_id TEXT,
        role TEXT NOT NULL,
        author TEXT,
        content TEXT,
        metadata TEXT,
        occurred_at INTEGER,
        created_at INTEGER NOT NULL,
        edited_at INTEGER,
        erased_at INTEGER,
        hash BLOB,
        tokens INTEGER NOT NULL,
        -- These two run from the first message through this one: no counter row, one write less an append. They stay as they were when the
        -- message was appended: to mend those of all later rows with each edit would cost too much.
        total_cost INTEGER NOT NULL,
        total_bytes INTEGER NOT NULL,
        -- What the message takes now beyond that: summed by blocks of messages in cost_changes, and as a whole on the session's row.
        cost_change INTEGER NOT NULL DEFAULT 0,
        -- Pinned by a client: it stays in each context, as instructions do.
        pinned INTEGER NOT NULL DEFAULT 0,
        -- What the message's JSON has outside of its row, in bytes: files, and words that are too long for a row. In their places stand
        -- words that name them.
        held_bytes INTEGER NOT NULL DEFAULT 0
      );
      -- A table that outgrows its first page leaves a copy of the rows there: let these be blanks, and not what somebody erases.
      INSERT INTO messages (seq, role, content, created_at, tokens, total_cost, total_bytes)
        SELECT value, 'system', printf('%2000s', ''), 0, 0, 0, 0 FROM json_each('[-2,-1,0]');
      -- Partial, so that a message whose id the server makes costs one write and not two.
      CREATE UNIQUE INDEX messages_client_id ON messages (client_id) WHERE client_id IS NOT NULL;
      -- What every context looks for: a chat without instructions and pins has no row in it.
      CREATE INDEX messages_pinned ON messages (seq) WHERE role IN ('system', 'developer') OR pinned = 1;
      CREATE TABLE cost_changes (block INTEGER PRIMARY KEY, cost INTEGER NOT NULL);

      -- Messages that do not follow the one before them: what lies between is off their branch. The row of seq 0 says what the next message
      -- follows, where that is not the newest. is_named: the message said so itself.
      CREATE TABLE branches (
        seq INTEGER PRIMARY KEY,
        after_seq INTEGER NOT NULL,
        is_named INTEGER NOT NULL DEFAULT 0
      );

      -- All messages through one of them are erased, though the text of those after done_seq is still to be written over. The row goes
      -- with the last of it.
      CREATE TABLE erasing (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        through_seq INTEGER NOT NULL,
        erased_at INTEGER NOT NULL,
        done_seq INTEGER NOT NULL DEFAULT 0
      );

      -- Each once, by a keyed hash of its bytes.
      CREATE TABLE files (id INTEGER PRIMARY KEY, hash BLOB NOT NULL, bytes INTEGER NOT NULL);
      CREATE UNIQUE INDEX files_by_hash ON files (hash);
      -- row: the id of the file times 64, and the number of the page. filling keeps the bytes out of the pages whose rows SQLite moves.
      CREATE TABLE file_pages (row INTEGER PRIMARY KEY, filling BLOB NOT NULL, data BLOB NOT NULL);
      CREATE TABLE file_citations (seq INTEGER NOT NULL, file INTEGER NOT NULL, PRIMARY KEY (seq, file)) WITHOUT ROWID;
      CREATE INDEX file_citations_by_file ON file_citations (file);

      CREATE TABLE summaries (
        version INTEGER PRIMARY KEY,
        through_seq INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        summarizer TEXT NOT NULL,
        degraded INTEGER NOT NULL,
        dropped_items INTEGER NOT NULL,
        usage TEXT,
        created_at INTEGER NOT NULL
      );

      -- An item holds from from_version up to, not including, to_version; it is not copied version by version. Rows are only
      -- added at the end, and to_version has one width (ten digits), so that no row is ever moved and leaves a copy behind.
      CREATE TABLE items (
        row INTEGER PRIMARY KEY,
        item_id TEXT NOT NULL,
        from_version INTEGER NOT NULL,
        to_version TEXT NOT NULL DEFAULT '9999999999',
        kind TEXT NOT NULL,
        text TEXT NOT NULL,
        source_seqs TEXT NOT NULL,
        status TEXT NOT NULL,
        -- The session whose messages the item cites, where it was carried over from there, and which epoch of it.
        source_session TEXT,
        source_epoch TEXT
      );
      INSERT INTO items (row, item_id, from_version, kind, text, source_seqs, status)
        SELECT value, '', 9999999999, '', printf('%2000s', ''), '[]', '' FROM json_each('[-2,-1,0]');

      -- Seqs that the summary covers no more, because the items that spoke of them cited a changed message as well.
      CREATE TABLE hidden (seq INTEGER PRIMARY KEY);

      -- Pending work. A row goes when the consumer confirms, not when the queue took the message.
      CREATE TABLE jobs (
        id TEXT PRIMARY KEY,
        epoch TEXT NOT NULL,
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        through_seq INTEGER NOT NULL,
        from_scratch INTEGER NOT NULL DEFAULT 0,
        rebuild_base INTEGER,
        invalidated_from_seq INTEGER,
        sends INTEGER NOT NULL DEFAULT 0,
        failures INTEGER NOT NULL DEFAULT 0,
        next_send_at INTEGER NOT NULL,
        lease TEXT,
        lease_until INTEGER,
        base_version INTEGER,
        chunk_through_seq INTEGER,
        draft TEXT,
        last_error TEXT,
        first_failed_at INTEGER,
        last_failed_at INTEGER,
        created_at INTEGER NOT NULL,
        -- What was spent on a summary so far, also in vain; and whether it only makes a degraded one better, and can wait.
        usage TEXT,
        is_upgrade INTEGER NOT NULL DEFAULT 0,
        -- What went wrong first: an outage begins with another error than the one that it goes on with.
        first_error TEXT,
        -- JSON of ids: what operators may have on their lists of jobs that ended with the session.
        settles TEXT,
        -- Of an erasure: the newest word of the directory that the erased epoch had heard of, by which the list's entry goes, and when that
        -- epoch began.
        granted_at INTEGER NOT NULL DEFAULT 0,
        began_at INTEGER NOT NULL DEFAULT 0
      ) WITHOUT ROWID;

      -- The sessions that this one took something from, and those that took something from it. An id may have several epochs, and a session
      -- may have taken something from more than one of them.
      CREATE TABLE origins (
        session TEXT NOT NULL,
        epoch TEXT NOT NULL,
        kind TEXT NOT NULL,
        through_seq INTEGER NOT NULL,
        state TEXT NOT NULL,
        PRIMARY KEY (session, epoch)
      ) WITHOUT ROWID;
      CREATE TABLE copies (session TEXT PRIMARY KEY, through_seq INTEGER) WITHOUT ROWID;

      -- What was heard to be erased of an epoch. A seq of 0 stands for all; a through_seq for all messages up to it. via: the epoch, gone or
      -- not, by which items of that one came here as well.
      CREATE TABLE source_erasures (
        session TEXT NOT NULL,
        epoch TEXT NOT NULL DEFAULT '',
        seq INTEGER NOT NULL,
        through_seq INTEGER NOT NULL DEFAULT 0,
        via TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (session, epoch, seq, through_seq, via)
      ) WITHOUT ROWID;

      -- What copies have yet to be told, or to confirm: of messages of this session, or of those of a session that items were carried over
      -- from. Seqs as above. A row that is confirmed stays until all are: what copies of copies have to erase is noted once. root: the epoch
      -- of this session that keeps it.
      CREATE TABLE pending_erasures (
        row INTEGER PRIMARY KEY,
        copy TEXT NOT NULL,
        source_session TEXT NOT NULL,
        source_epoch TEXT NOT NULL,
        seq INTEGER NOT NULL,
        through_seq INTEGER NOT NULL DEFAULT 0,
        via_session TEXT NOT NULL DEFAULT '',
        via_epoch TEXT NOT NULL DEFAULT '',
        root TEXT NOT NULL DEFAULT '',
        is_confirmed INTEGER NOT NULL DEFAULT 0,
        UNIQUE (copy, source_session, source_epoch, seq, through_seq, via_epoch)
      );

      -- What was done to the session besides appends, for its live feed: names and places, never what was said. An append is no row:
      -- its message is. rev counts both from the session's beginning, so that rev - head_seq is the number of changes so far.
      CREATE TABLE changes (
        rev INTEGER PRIMARY KEY,
        head_seq INTEGER NOT NULL,
        kind TEXT NOT NULL,
        seq INTEGER,
        through_seq INTEGER,
        version INTEGER,
        degraded INTEGER NOT NULL DEFAULT 0
      );
      -- Tickets that let somebody in, until they would be too old anyway.
      CREATE TABLE used_tickets (id TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID;

      -- Appends that the audit has yet to be told of: where they begin, and by whom they are. No row where there are none.
      CREATE TABLE appending (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        from_seq INTEGER NOT NULL,
        started_at INTEGER NOT NULL,
        actors TEXT NOT NULL
      );
      -- Events of the audit. A row goes when the queue has taken it.
      CREATE TABLE pending_audits (
        id TEXT PRIMARY KEY,
        events TEXT NOT NULL,
        sends INTEGER NOT NULL,
        next_send_at INTEGER NOT NULL
      ) WITHOUT ROWID;

      -- What was spent on a day: it is never summed from versions or jobs, which are deleted. A row outlives the epoch that it was spent
      -- on where the session has a bound of the day, and goes when the day is over.
      CREATE TABLE spent (
        day INTEGER PRIMARY KEY,
        summarizer_tokens INTEGER NOT NULL,
        summaries INTEGER NOT NULL,
        messages INTEGER NOT NULL,
        message_tokens INTEGER NOT NULL
      );

      CREATE TABLE schema_version (one INTEGER PRIMARY KEY CHECK (one = 1), id INTEGER NOT NULL);
    `,
  },
];

/** The version of the schema in this object; 0 if nothing was ever written to it. Reads only. */
export function schemaVersion(sql: SqlStorage): number {
  const table = sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'").toArray();
  if (table.length === 0) return 0;
  return sql.exec<{ id: number }>("SELECT id FROM schema_version WHERE one = 1").toArray()[0]?.id ?? 0;
}

/**
 * Brings the schema up to `target`. Runs inside the caller's transaction. A schema of a later version of this code is left as
 * it is: migrations only add, so this version can work with it.
 */
export function migrate(sql: SqlStorage, target: number = MIGRATIONS.length): void {
  const current = schemaVersion(sql);
  for (const [index, migration] of MIGRATIONS.entries()) {
    if (migration.id !== index + 1) throw new Error(`migration ${migration.id} is out of order`);
    if (migration.id > current && migration.id <= target) sql.exec(migration.sql);
  }
  if (target > current) {
    sql.exec("INSERT OR REPLACE INTO schema_version (one, id) VALUES (1, ?)", target);
  }
}
