/** Every limit of the public API. Its name ends with the unit; its comment gives the reason. */

/**
 * The largest message, as JSON: room for a phone's photo in base64, or the tool outputs of a long run. A SQLite row
 * holds 2 MB, so a larger message is stored in several pages. Even in UTF-16 it is a quarter of what RPC between
 * Workers and objects carries (32 MiB).
 */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
/**
 * The largest request body: two of the largest messages. While it is handled it exists as bytes, as a string and as
 * parsed values, which together take at most a third of an isolate's 128 MB.
 */
export const MAX_BODY_BYTES = 8 * 1024 * 1024;
/**
 * How many JSON values one request of a user may contain: twenty times what a form or a hundred messages have. Parsing
 * and validating that many takes about 20 ms, during which the isolate serves nobody else.
 */
export const MAX_USER_JSON_VALUES = 20_000;
/** The largest metadata of a session or a message, as JSON. It is returned with every read. */
export const MAX_METADATA_BYTES = 4 * 1024;
/**
 * The largest provider options of a part, as JSON. Some providers return their reasoning in them. Each property name is
 * checked.
 */
export const MAX_PROVIDER_OPTIONS_BYTES = 256 * 1024;
/** An append is one transaction, and a transaction should be short. */
export const MAX_MESSAGES_PER_APPEND = 100;
/** A longer session is no short-term memory any more; see `session_full`. */
export const MAX_MESSAGES_PER_SESSION = 100_000;
/**
 * How many messages of a session may follow another message than the one before them (edited questions, regenerated
 * answers). All of them are held in memory while the session is read, and a context may list as many ranges with the
 * reason `branch`.
 */
export const MAX_BRANCHES = 2_000;
/**
 * The largest log of a session: a tenth of what one object can store, so that indexes and summaries fit beside it. A
 * file counts with each message that contains it although it is stored once, because exports, forks and the archive
 * carry it each time.
 */
export const MAX_BYTES_PER_SESSION = 1024 * 1024 * 1024;
/** With less there is no room for a summary beside the newest message. */
export const MIN_CONTEXT_TOKENS = 256;
/** The smallest threshold or summary. With less, each message would get a summary of its own. */
export const MIN_THRESHOLD_TOKENS = 100;
/** More than any current model accepts. */
export const MAX_CONTEXT_TOKENS = 1_000_000;
/**
 * The largest context, as JSON, in any format. A token budget does not bound it, because a file counts as a fixed
 * number of tokens, whatever its size. It is a quarter of what RPC between Workers and objects carries (32 MiB), where
 * non-Latin text takes twice its bytes.
 */
export const MAX_CONTEXT_BYTES = 8 * 1024 * 1024;
/**
 * The earliest accepted time, in ms since 1970: the start of year 1 in UTC. ISO 8601 has a year 0, but PostgreSQL does
 * not.
 */
export const MIN_TIME_MS = -62_135_596_800_000;
/**
 * The latest accepted time, in ms since 1970: the end of year 9999 in UTC. Later years are written with a sign and six
 * digits, which PostgreSQL does not read.
 */
export const MAX_TIME_MS = 253_402_300_799_999;
/** Length of the ids of sessions and messages, which appear in URLs, keys and logs. */
export const MAX_ID_LENGTH = 128;
/**
 * Length of a user's id, in UTF-16 units. It comes from another system (`auth0|65f1c`, an email address) and can be
 * longer than our own ids.
 */
export const MAX_USER_ID_LENGTH = 256;
/**
 * Length of an Idempotency-Key. It leaves room for the index in the batch, which is appended to it to make each
 * message's id.
 */
export const MAX_IDEMPOTENCY_KEY_LENGTH = 120;
/**
 * How many faults of a request are reported. A client can fix these and try again; an invalid body must not cause a
 * long response.
 */
export const MAX_REPORTED_FAULTS = 20;
/** How many places with replaced content an answer lists. They are enough for a client to see the problem. */
export const MAX_MENDED_PATHS = 100;
/** Length of an author's display name. */
export const MAX_AUTHOR_LENGTH = 128;
/** Entries on a page of a list. */
export const MAX_PAGE_SIZE = 100;
export const DEFAULT_PAGE_SIZE = 20;
/**
 * The largest page of a list, as JSON: a page of large entries ends early. It is an eighth of what RPC between Workers
 * and objects carries (32 MiB), where non-Latin text takes twice its bytes.
 */
export const MAX_PAGE_BYTES = 4 * 1024 * 1024;
/**
 * How many ranges of hidden messages a context lists. If there are more, the last range extends to the last hidden
 * message.
 */
export const MAX_HIDDEN_RANGES = 1_000;
/** How many cited messages are returned with a summary. The others can be read by the seqs that the items cite. */
export const MAX_EXPANDED_SOURCES = 1_000;
/** How many lost words of one message a report of losses lists. */
export const MAX_LOST_WORDS = 32;
/** How many messages are read for one page of a report of losses. */
export const MAX_LOSSES_READ = 2_000;
/** How many characters are read for one page of a report of losses. */
export const MAX_LOSSES_READ_CHARACTERS = 1_000_000;
/**
 * Parts of one message: enough for an agent's run of 300 steps, each with reasoning, text, some tool calls and their
 * results.
 */
export const MAX_PARTS_PER_MESSAGE = 4_096;
/** Characters of a query. A query is a question, not a document; only its rarest words are searched. */
export const MAX_QUERY_LENGTH = 10_000;
/** How long a request may wait for a summary that it asked for. After that the client polls. */
export const MAX_WAIT_MS = 10_000;
/** How long a creation grant of the directory is valid: far longer than a request takes to reach its object. */
export const CREATION_GRANT_MS = 5_000;
/**
 * How long the id of an erased user stays blocked. A queue keeps a message for this long (4 days), so until then a
 * write in the user's name can be a late one.
 */
export const ERASED_USER_REST_MS = 345_600_000;
/** Tokens of one call of the summarizer: they fit every model in use, and bound the cost of a retry. */
export const MAX_SUMMARIZER_INPUT_TOKENS = 32_000;
/** Characters of an item. An item is one statement. */
export const MAX_ITEM_TEXT_LENGTH = 2_000;
/** Items in one answer of a summarizer. A longer list is a copy of the transcript, not a summary. */
export const MAX_ITEMS_PER_SUMMARY = 1_000;
/** The largest summary that a session may ask for: as much as one call of the summarizer takes. */
export const MAX_SUMMARY_TOKENS = 32_000;
/**
 * The largest list of a summary's items, in bytes as stored. The token limit does not cover the seqs that items cite.
 * While a summary is made, one SQLite row holds two such lists, and a row holds 2 MB.
 */
export const MAX_SUMMARY_BYTES = 768 * 1024;
/** How many messages one item may cite. */
export const MAX_SOURCES_PER_ITEM = 200;
/** A shorter silence is only a pause in the chat. */
export const MIN_SUMMARIZE_AFTER_IDLE_SECONDS = 10;
/** With less, a session would expire while somebody types. */
export const MIN_EXPIRE_AFTER_SECONDS = 60;
/** Ten years, which is far below the range of an alarm. */
export const MAX_IDLE_SECONDS = 315_360_000;
/** How many new tokens an idle session must have to be summarized. A closing "thank you" is not worth a summary. */
export const IDLE_SUMMARY_MIN_TOKENS = 1_000;
/** How long a request waits for a fork to be copied before it answers that copying goes on. */
export const MAX_COPY_WAIT_MS = 10_000;
/** The longest line of an export: a message as JSON, with its metadata and names. */
export const MAX_IMPORT_LINE_BYTES = 2 * MAX_MESSAGE_BYTES;
/**
 * The largest body of an import. Cloudflare refuses larger ones (plans Free and Pro). A session may be ten times as
 * large: its file is then sent in parts.
 */
export const MAX_IMPORT_BODY_BYTES = 100_000_000;
/**
 * How many empty lines a file, or a part of one, may have. Each takes microseconds, and 100 MB of them would take
 * minutes.
 */
export const MAX_IMPORT_EMPTY_LINES = 1_000;
/**
 * An import in parts is abandoned if no line arrives for this long: a day, so that an interrupted import can be
 * continued the next morning.
 */
export const IMPORT_PATIENCE_MS = 24 * 3_600_000;
/**
 * An import of a whole file is abandoned after this long without a line. Nobody can continue it, and its sender may
 * have disconnected.
 */
export const UNSENT_IMPORT_PATIENCE_MS = 15 * 60_000;
/** How many versions of the summary one file may contain: one for each message of the longest session. */
export const MAX_IMPORT_SUMMARIES = 100_000;
/**
 * How many items one file may contain, over all versions: as many as a session of 1 GiB has if every item is reworded
 * in each version.
 */
export const MAX_IMPORT_ITEMS = 500_000;
/**
 * How many other sessions the items of one file may cite. Each of these sessions is asked whether it supports the
 * items.
 */
export const MAX_IMPORT_SOURCE_SESSIONS = 256;
/**
 * How many characters of the messages that an item cites are read to check an imported item: the input of eight calls
 * of the summarizer.
 */
export const MAX_ITEM_EVIDENCE_CHARACTERS = 1024 * 1024;
/**
 * How many characters are read to check all items of a file: this multiple of the characters of its messages, and at
 * least the minimum below, which is several times what a session of many short versions needs. The work for a file is
 * thus proportional to its size.
 */
export const MAX_IMPORT_EVIDENCE_SHARE = 64;
export const MIN_IMPORT_EVIDENCE_CHARACTERS = 16 * 1024 * 1024;
/** Characters of an operator's instructions to a summarizer. They are sent with each of its calls. */
export const MAX_SUMMARIZER_INSTRUCTIONS_LENGTH = 2_000;
/** Characters of a BCP 47 language tag. RFC 5646 considers 35 enough for all tags in use. */
export const MAX_LANGUAGE_LENGTH = 35;
/** Characters of the name of a key in the list of keys. */
export const MAX_KEY_NAME_LENGTH = 100;
/** How many valid keys a tenant may have. Each isolate caches all of them. */
export const MAX_LIVE_KEYS = 100;
/** The longest time that a rotated key stays valid: 30 days. */
export const MAX_KEY_GRACE_SECONDS = 2_592_000;
/**
 * The largest frame from a client. An object holds frames of many sockets at once. A larger message has to be sent as
 * an HTTP request.
 */
export const MAX_FRAME_BYTES = 1024 * 1024;
/** Characters of a frame's id, which the client chooses and the answer repeats. */
export const MAX_FRAME_ID_LENGTH = 128;
/**
 * Open live connections that a session's own object keeps, server-sent events included. Each event is sent to all of
 * them by the thread that also serves the session's appends, so further connections are kept by fan-out objects.
 */
export const MAX_OWN_SOCKETS = 100;
/** Open live connections that one fan-out object keeps: sending an event to all of them takes its thread some 10 ms. */
export const MAX_SOCKETS_PER_FAN_OUT = 500;
/** Fan-out objects of one session. Each is called once for each change, so an append costs at most so many calls. */
export const MAX_FAN_OUTS = 20;
/** Open live connections of one session, server-sent events included. */
export const MAX_SOCKETS_PER_SESSION = MAX_OWN_SOCKETS + MAX_FAN_OUTS * MAX_SOCKETS_PER_FAN_OUT;
/**
 * How many events may be sent to a socket before the client acknowledges them. After that the socket is paused, and
 * nothing is buffered for it.
 */
export const MAX_UNACKNOWLEDGED_EVENTS = 256;
/**
 * The same limit in bytes. It is needed because a WebSocket of the runtime does not report how much it has buffered.
 */
export const MAX_UNACKNOWLEDGED_BYTES = 1024 * 1024;
/** Frames per second from one socket: far more than a person, or a program that waits for answers, sends. */
export const MAX_FRAMES_PER_SECOND = 100;
/** How many frames may arrive at once before the rate applies. */
export const MAX_FRAME_BURST = 200;
/**
 * Bytes of frames that wait to be handled, over all sockets of a session. Further frames are refused and not kept in
 * memory.
 */
export const MAX_WAITING_FRAME_BYTES = 8 * MAX_FRAME_BYTES;
/** After this many faulty frames in a row the socket is closed: the client will not recover. */
export const MAX_FAULTY_FRAMES = 10;
/** After this many forbidden frames in total the socket is closed: the client does it on purpose. */
export const MAX_FORBIDDEN_FRAMES = 10;
/**
 * A socket is closed after this long, so that the client has to present its credentials again, even if the issuer of
 * the credentials cannot be reached.
 */
export const MAX_SOCKET_SECONDS = 3_600;
/** How long a ticket is valid. The page that asked for it uses it immediately. */
export const TICKET_SECONDS = 60;
/**
 * How many edits, erasures and summaries a feed can replay; appends it can replay all. A client that missed more has to
 * read the session again.
 */
export const MAX_REMEMBERED_CHANGES = 10_000;
/** Messages that a user may add to their sessions in a day: one every nine seconds, day and night. */
export const USER_MESSAGES_PER_DAY = 10_000;
/**
 * Tokens of these messages: 200 for each message, and as many again for pasted text. At $0.10 per million tokens, a
 * model reads them for 40 cents.
 */
export const USER_TOKENS_PER_DAY = 4_000_000;
/** Bytes of these messages: a hundred photos. At most 8 GiB a month, which cost $1.60 a month to store. */
export const USER_BYTES_PER_DAY = 256 * 1024 * 1024;
/** Tokens that models read because a user edits, erases or asks for a summary: ten cents at $0.10 per million. */
export const USER_SUMMARIZER_TOKENS_PER_DAY = 1_000_000;
/** How many days a report of spending covers at most: a month. */
export const MAX_SPENDING_DAYS = 31;
/** Sessions that a user may create in a day: one every three minutes, day and night. */
export const USER_SESSIONS_PER_DAY = 500;
/** Exports that a user may make in a day, of a session or of all their data. Each reads whole logs. */
export const USER_EXPORTS_PER_DAY = 50;
/**
 * Further pages for each of these exports: enough for as many sessions as a user may have. A cursor can be used more
 * than once, so pages are counted too.
 */
export const USER_PAGES_PER_EXPORT = 100;
/**
 * How many sessions a user may have. With more, nobody finds a session in the list, and an erasure of the user takes
 * long.
 */
export const USER_SESSIONS = 10_000;
/**
 * How many directories hold the sessions that belong to a tenant itself, which may be millions. Must not change: entries
 * would be looked for in other objects.
 */
export const TENANT_SHARDS = 64;
/**
 * How many requests and frames of a user one isolate, or one session's object, accepts at once: more than a page sends
 * when it opens.
 */
export const PACED_BURST_UNITS = 30;
/**
 * How many it accepts per second after that: in ten seconds as many as the rate limit of the deployment, but spread
 * out.
 */
export const PACED_UNITS_PER_SECOND = 10;
/**
 * A large body or answer counts as one more request for each of this many bytes, because it takes the thread about as
 * long as a small request.
 */
export const BYTES_PER_PACED_UNIT = 128 * 1024;
/**
 * How many additional requests a refused one counts as. Only somebody who probes the service sends invalid requests all
 * day.
 */
export const PACED_UNITS_OF_A_REFUSAL = 1;
/**
 * How long a user's request may wait for its turn. A request that would wait longer is refused, because its client
 * would give up and send it again.
 */
export const MAX_PACED_WAIT_MS = 2_000;
/**
 * How many tokens a summary that a user asks for counts at least: a call of a model has a price, however little there
 * is to read.
 */
export const MIN_USER_SUMMARY_TOKENS = 1_000;
/**
 * The largest result of an MCP tool, in tokens as Claude counts them. Clients cut or refuse larger results (Claude
 * Code: 25,000).
 */
export const MAX_MCP_RESULT_TOKENS = 25_000;
/** How many tokens a tool returns by default. The result of each call stays in the agent's context. */
export const DEFAULT_MCP_TOKENS = 4_000;
/** The most tokens that a call can ask for. It leaves room for what JSON adds, and for the facts beside the text. */
export const MAX_MCP_TOKENS = 20_000;
/**
 * JSON-RPC requests in one body, which clients of the protocol version 2025-03-26 may send. Each counts as a request.
 */
export const MAX_MCP_BATCH = 20;
/** How long a tool waits for a summary: MCP clients wait this long for a tool by default. */
export const MAX_MCP_WAIT_SECONDS = 60;

/**
 * How many sessions are asked for items that are near in meaning: those with the best hits for words, and those with
 * the owner's newest items. Each is a call of its object, in parallel.
 */
export const MAX_MEANT_SESSIONS = 50;
