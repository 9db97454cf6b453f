/**
 * The object's tables, in groups by purpose. A group is created by the first statement that adds a row to it: see
 * `Tables`. It is named after the first table (or index) that it creates, by which it is recognised.
 *
 * Nothing has been deployed yet, so a group is changed in place. From the first deployment on, a released group never
 * changes: a later one adds to it.
 */
export const TABLE_GROUPS = {
  /** The session and its log: what the first append needs. */
  session: `
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
      -- When this epoch began. Of two epochs of one id, the one that began later is the current one. (created_at is
      -- what clients see; an imported session has it from its file.)
      began_at INTEGER NOT NULL DEFAULT 0,
      tenant_rev INTEGER NOT NULL DEFAULT 0,
      tenant_settings TEXT NOT NULL DEFAULT '{}',
      -- The number of edits and erasures. A reader that copies page by page sees by it that the session changed in
      -- between.
      changes INTEGER NOT NULL DEFAULT 0,
      expired_at INTEGER,
      -- JSON of Copying while a fork or an import is not complete.
      copying TEXT,
      -- Added to the revs of this epoch before clients see them, so that they are above those of every earlier epoch
      -- of this id.
      rev_base INTEGER NOT NULL DEFAULT 0,
      -- The newest creation grant that this epoch recorded: a directory entry with a later grant belongs to a later
      -- epoch.
      granted_at INTEGER NOT NULL DEFAULT 0,
      -- The creation grant with which this epoch began.
      begun_by INTEGER NOT NULL DEFAULT 0,
      -- JSON of MessageArchive while the archive holds messages or is to hold some.
      message_archive TEXT,
      -- The sums of the messages' changes in tokens and bytes since they were appended: see cost_change of a message.
      cost_change INTEGER NOT NULL DEFAULT 0,
      bytes_change INTEGER NOT NULL DEFAULT 0,
      -- When an edit last changed a message's text; the last day (UTC) on which an edit did so; and how many tokens
      -- edits added on that day.
      edited_at INTEGER,
      edited_day INTEGER,
      edited_tokens INTEGER NOT NULL DEFAULT 0,
      -- How many rows of this session PostgreSQL refuses to store.
      archive_aside INTEGER NOT NULL DEFAULT 0,
      -- JSON of FinishedImport if this session was imported.
      imported TEXT,
      -- How often clients changed metadata or settings in this epoch. By it the directory ignores an update that
      -- arrives after a newer one.
      metadata_rev INTEGER NOT NULL DEFAULT 0,
      -- The last version of the summary that is sent with archive_rev: a long history is sent in pages, one page with
      -- each revision.
      archive_version INTEGER NOT NULL DEFAULT 0,
      -- The key with which files are hashed; made with the first file.
      file_key BLOB,
      -- JSON of AppendingRow: appends that are not in the audit log yet. Null if there are none.
      appending TEXT,
      -- Which fan-out objects have sockets of this session: bit n for the object n.
      fan_outs INTEGER NOT NULL DEFAULT 0
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
      -- The sums over all messages up to this one. They make a separate counter row unnecessary, so an append costs
      -- one write less. They keep the values from when the message was appended: correcting all later rows with each
      -- edit would cost too much.
      total_cost INTEGER NOT NULL,
      total_bytes INTEGER NOT NULL,
      -- By how many tokens the message's cost changed since it was appended. cost_changes sums this up by blocks of
      -- messages, and the session's row over all of them.
      cost_change INTEGER NOT NULL DEFAULT 0,
      -- 1 if a client pinned the message: every context then contains it, as it contains instructions.
      pinned INTEGER NOT NULL DEFAULT 0,
      -- How many bytes of the message's JSON are stored outside of this row: files, and a text that is too long for a
      -- row. The row holds references in their places.
      held_bytes INTEGER NOT NULL DEFAULT 0
    );
    -- When a table outgrows its first page, SQLite moves the rows and leaves a copy of them on that page. These rows
    -- of spaces fill the first page, so that the copy is of them and not of messages that may be erased later.
    INSERT INTO messages (seq, role, content, created_at, tokens, total_cost, total_bytes)
      SELECT value, 'system', printf('%2000s', ''), 0, 0, 0, 0 FROM json_each('[-2,-1,0]');  `,
  /** Every context looks for instructions and pinned messages. As long as there is no index, there are none. */
  messages_pinned: `
    CREATE INDEX messages_pinned ON messages (seq) WHERE role IN ('system', 'developer') OR pinned = 1;
  `,
  /** The index of clients' ids: see ClientIdIndex. */
  client_ids: `
    -- hashes: four bytes for each message of the block, 0 for one without a client's id. An index of SQLite would cost
    -- a write for each message.
    CREATE TABLE client_ids (block INTEGER PRIMARY KEY, hashes BLOB NOT NULL);
  `,
  /** What edits and erasures changed of the running sums. */
  cost_changes: `
    CREATE TABLE cost_changes (block INTEGER PRIMARY KEY, cost INTEGER NOT NULL);
  `,
  /** The branches of the log. */
  branches: `
    -- Messages that do not follow the one right before them (after_seq is what they follow): the messages in between
    -- belong to another branch. The row of seq 0 says what the next message will follow, if that is not the newest
    -- one. is_named is 1 if the client named after_seq itself.
    CREATE TABLE branches (
      seq INTEGER PRIMARY KEY,
      after_seq INTEGER NOT NULL,
      is_named INTEGER NOT NULL DEFAULT 0
    );
  `,
  /** An erasure that is too large for one transaction. */
  erasing: `
    -- A running erasure of all messages up to through_seq. They count as erased already, but the text of those after
    -- done_seq is still to be overwritten. The row is deleted when all are.
    CREATE TABLE erasing (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      through_seq INTEGER NOT NULL,
      erased_at INTEGER NOT NULL,
      done_seq INTEGER NOT NULL DEFAULT 0
    );
  `,
  /** Files, and texts that are too long for a message's row. */
  files: `
    -- Each file once, recognised by a keyed hash of its bytes.
    CREATE TABLE files (id INTEGER PRIMARY KEY, hash BLOB NOT NULL, bytes INTEGER NOT NULL);
    CREATE UNIQUE INDEX files_by_hash ON files (hash);
    -- row is 64 times the file's id, plus the number of the page. filling is zeros: it keeps data out of the B-tree
    -- pages whose rows SQLite moves.
    CREATE TABLE file_pages (row INTEGER PRIMARY KEY, filling BLOB NOT NULL, data BLOB NOT NULL);
    CREATE TABLE file_citations (seq INTEGER NOT NULL, file INTEGER NOT NULL, PRIMARY KEY (seq, file)) WITHOUT ROWID;
    CREATE INDEX file_citations_by_file ON file_citations (file);
  `,
  /** The summary, its versions and its items. */
  summaries: `
    CREATE TABLE summaries (
      version INTEGER PRIMARY KEY,
      through_seq INTEGER NOT NULL,
      tokens INTEGER NOT NULL,
      summarizer TEXT NOT NULL,
      degraded INTEGER NOT NULL,
      dropped_items INTEGER NOT NULL,
      usage TEXT,
      created_at INTEGER NOT NULL,
      -- JSON lists of places: of the items that the version has, and of those of the version before that ended with it.
      -- item_places is null for a version of a file, except the newest one.
      item_places TEXT,
      ended_places TEXT NOT NULL
    );

    -- Items that begin with the same version, as a JSON list. Blocks are only added at the end, and keep their size when
    -- an item is removed: no row ever moves, so none leaves a copy behind. to_version is for items of a file: they are in
    -- the versions from from_version up to, but not including, to_version, which always has ten digits.
    CREATE TABLE item_blocks (
      block INTEGER PRIMARY KEY,
      from_version INTEGER NOT NULL,
      to_version TEXT NOT NULL DEFAULT '9999999999',
      items TEXT NOT NULL
    );
    INSERT INTO item_blocks (block, from_version, items)
      SELECT value, 9999999999, printf('[%1998s]', '') FROM json_each('[-2,-1,0]');

    -- Messages that the summary no longer covers although they are before its through_seq: the items that told of
    -- them also cited a message that was edited or erased, and are gone.
    CREATE TABLE hidden (seq INTEGER PRIMARY KEY);
  `,
  /** The outbox. */
  jobs: `
    -- The outbox. A row is deleted when the consumer confirms the job, not when the queue accepts its message.
    CREATE TABLE jobs (
      id TEXT PRIMARY KEY,
      epoch TEXT NOT NULL,
      kind TEXT NOT NULL,
      state TEXT NOT NULL,
      through_seq INTEGER NOT NULL,
      sends INTEGER NOT NULL,
      failures INTEGER NOT NULL,
      next_send_at INTEGER NOT NULL,
      lease TEXT,
      lease_until INTEGER,
      -- The first error, in addition to the last: an outage often begins with another error than the one it goes on
      -- with.
      first_error TEXT,
      last_error TEXT,
      first_failed_at INTEGER,
      last_failed_at INTEGER,
      created_at INTEGER NOT NULL,
      -- JSON of what only jobs of this kind have: SummaryGoal, EmbeddingGoal, or ErasedEpoch of an erasure.
      details TEXT
    ) WITHOUT ROWID;

    -- What a summarize job has once a consumer has taken it. base_version, chunk_through_seq: what was last given to a
    -- summarizer. draft: JSON of Draft. usage: JSON of the tokens spent so far, including failed attempts.
    CREATE TABLE summaries_in_progress (
      job_id TEXT PRIMARY KEY,
      base_version INTEGER,
      chunk_through_seq INTEGER,
      invalidated_from_seq INTEGER,
      draft TEXT,
      usage TEXT
    ) WITHOUT ROWID;

    -- Audit events that are to be sent. A row is deleted when the queue has accepted it.
    CREATE TABLE pending_audits (
      id TEXT PRIMARY KEY,
      events TEXT NOT NULL,
      sends INTEGER NOT NULL,
      next_send_at INTEGER NOT NULL
    ) WITHOUT ROWID;
  `,
  /** Lineage: where this session took something from, and which sessions took something from it. */
  origins: `
    -- Sessions from which this one took messages or items. It can take from several epochs of the same id.
    CREATE TABLE origins (
      session TEXT NOT NULL,
      epoch TEXT NOT NULL,
      kind TEXT NOT NULL,
      through_seq INTEGER NOT NULL,
      state TEXT NOT NULL,
      PRIMARY KEY (session, epoch)
    ) WITHOUT ROWID;

    -- What other sessions told this one about erasures in an epoch. seq 0 stands for all messages; a through_seq
    -- above 0 for all messages up to it. via: the epoch from which this session took items of the erased one, if it
    -- did not take them from that one directly; it may be over by now.
    CREATE TABLE source_erasures (
      session TEXT NOT NULL,
      epoch TEXT NOT NULL DEFAULT '',
      seq INTEGER NOT NULL,
      through_seq INTEGER NOT NULL DEFAULT 0,
      via TEXT NOT NULL DEFAULT '',
      PRIMARY KEY (session, epoch, seq, through_seq, via)
    ) WITHOUT ROWID;

    -- What was erased, one row however many copies there are. root: the epoch whose copies have to be told. source:
    -- the epoch in which it was erased: the root, or one whose items the root had carried over. seq 0 stands for
    -- everything. The rows are deleted when every copy has confirmed all of them; AUTOINCREMENT, so that no later row
    -- gets a number that a copy has confirmed already.
    CREATE TABLE erasures (
      row INTEGER PRIMARY KEY AUTOINCREMENT,
      root TEXT NOT NULL,
      source_session TEXT NOT NULL,
      source_epoch TEXT NOT NULL,
      seq INTEGER NOT NULL
    );
    CREATE INDEX erasures_by_root ON erasures (root, row);

    -- Sessions that took something from this one, and, while erasures are pending, those that took it from them: they
    -- are told of the erasures of their root. source: as whose messages the copy knows those of the root: its own, or
    -- those of a fork of it. via: the epoch from which it has items of the source, if not from the source itself.
    -- through_seq: the last message that it can have; null if there is no limit. It has confirmed the erasures up to
    -- confirmed_row, and is not told of those after until_row, if there is one.
    CREATE TABLE copies (
      row INTEGER PRIMARY KEY,
      root TEXT NOT NULL,
      session TEXT NOT NULL,
      source_session TEXT NOT NULL,
      source_epoch TEXT NOT NULL,
      via_session TEXT NOT NULL DEFAULT '',
      via_epoch TEXT NOT NULL DEFAULT '',
      through_seq INTEGER,
      confirmed_row INTEGER NOT NULL,
      until_row INTEGER,
      UNIQUE (root, session, source_epoch, via_epoch)
    );
  `,
  /** The live feed. */
  changes: `
    -- Events for the live feed other than appends: kinds and seqs, never content. An append needs no row, since its
    -- message is one. rev numbers events and appends together from the beginning of the session, so rev - head_seq is
    -- the number of rows here.
    CREATE TABLE changes (
      rev INTEGER PRIMARY KEY,
      head_seq INTEGER NOT NULL,
      kind TEXT NOT NULL,
      seq INTEGER,
      through_seq INTEGER,
      version INTEGER,
      degraded INTEGER NOT NULL DEFAULT 0
    );
    -- Tickets that were used to open a socket. Each is kept until it would have expired, so that it cannot be used
    -- twice.
    CREATE TABLE used_tickets (id TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID;
  `,
  /** Daily usage. */
  spent: `
    -- What was used on a day (UTC). It is not summed up from messages, summaries or jobs, because those can be
    -- deleted. Where a daily limit applies, the row outlives its epoch, until the day is over.
    CREATE TABLE spent (
      day INTEGER PRIMARY KEY,
      summarizer_tokens INTEGER NOT NULL,
      summaries INTEGER NOT NULL,
      messages INTEGER NOT NULL,
      message_tokens INTEGER NOT NULL
    );
  `,
};

export type GroupName = keyof typeof TABLE_GROUPS;
