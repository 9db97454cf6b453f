// A later version of the Worker, as an earlier version meets it: its sessions have one more migration, its jobs have one more field, and
// half of its jobs have the next format version. It runs in workerd and calls the Worker's bundle, which is service.js there.
import worker, { ChatSession as ChatSessionOfNow } from "./service.js";

export * from "./service.js";

/** Higher than any existing migration. */
const MIGRATION = 1_000;

export class ChatSession extends ChatSessionOfNow {
  constructor(ctx, env) {
    super(ctx, {
      ...env,
      SUMMARIZE_QUEUE: inLaterForm(env.SUMMARIZE_QUEUE),
      ARCHIVE_QUEUE: inLaterForm(env.ARCHIVE_QUEUE),
    });
    addMigration(ctx.storage);
  }
}

export default {
  ...worker,
  async queue({ queue, messages }, env, ctx) {
    await worker.queue({ queue, messages: messages.map(readBoth) }, env, ctx);
  },
};

function addMigration(storage) {
  const { sql } = storage;
  if (sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").toArray().length === 0) return;
  if (sql.exec("SELECT 1 FROM schema_version WHERE id >= ?", MIGRATION).toArray().length > 0) return;
  storage.transactionSync(() => {
    for (const table of ["session", "messages", "summaries", "items", "jobs"]) {
      sql.exec(`ALTER TABLE ${table} ADD COLUMN of_a_later_version TEXT NOT NULL DEFAULT 'later'`);
    }
    sql.exec("CREATE TABLE later (one INTEGER PRIMARY KEY)");
    sql.exec("UPDATE schema_version SET id = ?", MIGRATION);
  });
}

function inLaterForm(queue) {
  let isNext = false;
  const write = (body) => {
    isNext = !isNext;
    return { ...body, ...(isNext ? { v: 2 } : {}), ofALaterVersion: "a field that nobody knows yet" };
  };
  return {
    send: (body, options) => queue.send(write(body), options),
    sendBatch: (messages, options) =>
      queue.sendBatch(
        Array.from(messages, (message) => ({ ...message, body: write(message.body) })),
        options,
      ),
    metrics: () => queue.metrics(),
  };
}

function readBoth(message) {
  const { id, timestamp, attempts, body } = message;
  return {
    id,
    timestamp,
    attempts,
    body: body?.v === 2 ? { ...body, v: 1 } : body,
    ack: () => message.ack(),
    retry: (options) => message.retry(options),
  };
}
