/** Every limit of the public language: its name carries the unit, its comment the reason. */

/**
 * One message, as JSON: a photo of a phone in base64, or the outputs of a long run. What a row of 2 MB has no room for stands in pages; written
 * in two bytes a character it takes a quarter of what the platform carries between Workers and objects (32 MiB).
 */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
/** One request body: two of the largest messages. It is held as bytes, as a text and as what it says: a third of an isolate's 128 MB at most. */
export const MAX_BODY_BYTES = 8 * 1024 * 1024;
/**
 * Values of the JSON that a user sends at once: twenty times what a form or a hundred messages have. Reading and checking as many takes some
 * 20 ms, in which nobody else is served.
 */
export const MAX_USER_JSON_VALUES = 20_000;
/** Metadata of a session or a message, as JSON. It travels with every read. */
export const MAX_METADATA_BYTES = 4 * 1024;
/** What goes to the provider of a model with a part, as JSON: some return their reasoning in it. Each of its names is looked at. */
export const MAX_PROVIDER_OPTIONS_BYTES = 256 * 1024;
/** One append is one transaction, and one transaction should stay short. */
export const MAX_MESSAGES_PER_APPEND = 100;
/** Past this a session is no short-term memory any more; see `session_full`. */
export const MAX_MESSAGES_PER_SESSION = 100_000;
/**
 * Messages of a session that do not follow the one before them: edited questions, answers made anew. All are held in memory while the
 * session is read, and a context may name as many ranges as `branch`.
 */
export const MAX_BRANCHES = 2_000;
/**
 * A tenth of what one object may store, so that indexes and summaries fit beside the log. A file counts with each message that has it, though
 * it is stored once: so many bytes an export, a fork and an archive have to carry.
 */
export const MAX_BYTES_PER_SESSION = 1024 * 1024 * 1024;
/** Less leaves no room for a summary beside the newest message. */
export const MIN_CONTEXT_TOKENS = 256;
/** Of a threshold or a summary, in tokens: with less each message would be a summary of its own. */
export const MIN_THRESHOLD_TOKENS = 100;
/** More than any model takes. */
export const MAX_CONTEXT_TOKENS = 1_000_000;
/**
 * A context as JSON, in any format. Files have a fixed charge in tokens, whatever their size; a quarter of what the platform carries
 * between Workers and objects (32 MiB), where text that is not Latin takes twice its bytes.
 */
export const MAX_CONTEXT_BYTES = 8 * 1024 * 1024;
/** The first moment that is taken in, in ms since 1970: the year 1 of UTC. ISO 8601 has a year 0, and PostgreSQL has none. */
export const MIN_TIME_MS = -62_135_596_800_000;
/** The last one: the end of the year 9999 of UTC. Past it a year is written with a sign and six digits, which PostgreSQL does not read. */
export const MAX_TIME_MS = 253_402_300_799_999;
/** Ids of sessions and messages: they stand in URLs, keys and logs. */
export const MAX_ID_LENGTH = 128;
/** Ids of users come from elsewhere (`auth0|65f1c`, an address of mail), and are longer. In UTF-16 units. */
export const MAX_USER_ID_LENGTH = 256;
/** An Idempotency-Key: leaves room in a message's id for its index in the batch. */
export const MAX_IDEMPOTENCY_KEY_LENGTH = 120;
/** Faults that a refusal lists. A client mends the first ones and asks again; a hostile body must not buy a long answer. */
export const MAX_REPORTED_FAULTS = 20;
/** Places that an answer names where content was mended: whoever sends more of it knows by then. */
export const MAX_MENDED_PATHS = 100;
/** An author is a display name. */
export const MAX_AUTHOR_LENGTH = 128;
/** A page of a list. */
export const MAX_PAGE_SIZE = 100;
export const DEFAULT_PAGE_SIZE = 20;
/**
 * The same in bytes of JSON: a page of large entries ends early. An eighth of what the platform carries between Workers and objects
 * (32 MiB), where text that is not Latin takes twice its bytes.
 */
export const MAX_PAGE_BYTES = 4 * 1024 * 1024;
/** Ranges of messages that a context names as hidden, at most: of more the last one names all that follow. */
export const MAX_HIDDEN_RANGES = 1_000;
/** Messages that come along with a summary: the others are read by the seqs that its items cite. */
export const MAX_EXPANDED_SOURCES = 1_000;
/** Words of one message that a report of what a summary lost names. */
export const MAX_LOST_WORDS = 32;
/** Messages that are read for one page of what a summary lost. */
export const MAX_LOSSES_READ = 2_000;
/** And characters of them. */
export const MAX_LOSSES_READ_CHARACTERS = 1_000_000;
/** Parts in one message: an agent's run of 300 steps, each of which reasons, speaks, makes some calls and has their results. */
export const MAX_PARTS_PER_MESSAGE = 4_096;
/** A query is a question, not a document; only its rarest words are looked for. */
export const MAX_QUERY_LENGTH = 10_000;
/** A caller may wait for a summary by hand this long; after that it polls. */
export const MAX_WAIT_MS = 10_000;
/** What the directory's word that a session may be created is good for: far longer than a request takes to get to its object. */
export const CREATION_GRANT_MS = 5_000;
/** As long as a queue keeps a message: until then a write in the name of a user who was erased may be a late one. */
export const ERASED_USER_REST_MS = 345_600_000;
/** What goes into one call of the summarizer: fits every model in use and bounds the cost of a retry. */
export const MAX_SUMMARIZER_INPUT_TOKENS = 32_000;
/** An item is one statement, not an essay. */
export const MAX_ITEM_TEXT_LENGTH = 2_000;
/** Items in one answer: past this it is a copy of the transcript, not a summary of it. */
export const MAX_ITEMS_PER_SUMMARY = 1_000;
/** The largest summary that a session may ask for: as much as goes into one call of the summarizer. */
export const MAX_SUMMARY_TOKENS = 32_000;
/**
 * Its items in bytes, as they are stored: what they cite takes no tokens. Two lists of items stand in one row while a summary is made, and
 * a row holds 2 MB.
 */
export const MAX_SUMMARY_BYTES = 768 * 1024;
/** Sources that one item may cite. */
export const MAX_SOURCES_PER_ITEM = 200;
/** Sooner than this a pause is a pause for thought. */
export const MIN_SUMMARIZE_AFTER_IDLE_SECONDS = 10;
/** Sooner than this a session would be gone while somebody types. */
export const MIN_EXPIRE_AFTER_SECONDS = 60;
/** Ten years: far below what a timer takes. */
export const MAX_IDLE_SECONDS = 315_360_000;
/** A silent session is summarized for this much that is new, and not for a "thank you". */
export const IDLE_SUMMARY_MIN_TOKENS = 1_000;
/** How long a request waits for a copy to be whole before it answers that it is on its way. */
export const MAX_COPY_WAIT_MS = 10_000;
/** One line of an export: a message as JSON, its metadata and names. */
export const MAX_IMPORT_LINE_BYTES = 2 * MAX_MESSAGE_BYTES;
/** A file, or a part of one: Cloudflare refuses larger bodies (Free and Pro). A session may have ten times as much: its file goes in parts. */
export const MAX_IMPORT_BODY_BYTES = 100_000_000;
/** Lines of a file, or of a part of one, that hold nothing. Each takes microseconds, and 100 MB of them would take minutes. */
export const MAX_IMPORT_EMPTY_LINES = 1_000;
/** An import in parts is given up if no line comes for so long: a day, so that whoever was interrupted may go on the next morning. */
export const IMPORT_PATIENCE_MS = 24 * 3_600_000;
/** The same of a file that is sent at once: nobody can go on with it, and its sender may be gone without a word. */
export const UNSENT_IMPORT_PATIENCE_MS = 15 * 60_000;
/** Versions of the summary in one file: as many as if each message of the longest session had called for one. */
export const MAX_IMPORT_SUMMARIES = 100_000;
/** Items in one file, of all versions together: what a session of 1 GiB comes to whose summary is put into other words each time. */
export const MAX_IMPORT_ITEMS = 500_000;
/** Other sessions that the items of one file may rest on: each is asked whether it bears them out. */
export const MAX_IMPORT_SOURCE_SESSIONS = 256;
/** Of the messages that an item of a file cites, so much is read to check it: as much as eight calls of the summarizer take in. */
export const MAX_ITEM_EVIDENCE_CHARACTERS = 1024 * 1024;
/**
 * What is read to check all items of a file, as a multiple of what its messages hold, and at least this many characters: several times what
 * a session of many short versions comes to. It keeps the work for a file in proportion to its size.
 */
export const MAX_IMPORT_EVIDENCE_SHARE = 64;
export const MIN_IMPORT_EVIDENCE_CHARACTERS = 16 * 1024 * 1024;
/** What an operator tells a summarizer: it goes into each of its calls. */
export const MAX_SUMMARIZER_INSTRUCTIONS_LENGTH = 2_000;
/** A BCP 47 tag: RFC 5646 finds 35 characters enough for all in use. */
export const MAX_LANGUAGE_LENGTH = 35;
/** What tells a key from another in a list. */
export const MAX_KEY_NAME_LENGTH = 100;
/** Keys of a tenant that are good at once: each isolate remembers them all. */
export const MAX_LIVE_KEYS = 100;
/** A month: longer is no change of keys but two of them. */
export const MAX_KEY_GRACE_SECONDS = 2_592_000;
/** One frame that a client sends: an object holds those of many sockets at once. A larger message goes as a request. */
export const MAX_FRAME_BYTES = 1024 * 1024;
/** The id of a frame comes back with its answer; the client chooses it. */
export const MAX_FRAME_ID_LENGTH = 128;
/** Open sockets on one session, server-sent events included: each event goes to all of them from one thread. */
export const MAX_SOCKETS_PER_SESSION = 100;
/** Events that a socket may be ahead of its acknowledgements; past that it is paused, and nothing is held for it. */
export const MAX_UNACKNOWLEDGED_EVENTS = 256;
/** The same in bytes. A socket tells nobody what it has yet to send. */
export const MAX_UNACKNOWLEDGED_BYTES = 1024 * 1024;
/** Frames a second from one socket: far beyond a person or a program that waits for answers. */
export const MAX_FRAMES_PER_SECOND = 100;
/** Frames that may come at once, before the rate counts. */
export const MAX_FRAME_BURST = 200;
/** Bytes of frames that wait for their turn, on all sockets of a session: what else comes meanwhile is refused, and held no longer. */
export const MAX_WAITING_FRAME_BYTES = 8 * MAX_FRAME_BYTES;
/** A client that sends so many faulty frames one after the other will not mend itself. */
export const MAX_FAULTY_FRAMES = 10;
/** Frames that its sender may not send, in a socket's life: who goes on after so many refusals means it. */
export const MAX_FORBIDDEN_FRAMES = 10;
/** A socket shows its credentials again after this, whatever they are and whoever cannot be asked about them. */
export const MAX_SOCKET_SECONDS = 3_600;
/** A ticket is used at once by the page that asked for it. */
export const TICKET_SECONDS = 60;
/** Edits, erasures and summaries that a feed remembers; appends it remembers all. Past that a client reads the session anew. */
export const MAX_REMEMBERED_CHANGES = 10_000;
/** Messages that come to a user's sessions in a day by the user: one every nine seconds, all day and night. */
export const USER_MESSAGES_PER_DAY = 10_000;
/** Their tokens: two hundred a message, and as much again for what is pasted. At $0.10 a million a model reads them for 40 cents. */
export const USER_TOKENS_PER_DAY = 4_000_000;
/** Their bytes: a hundred photos, and 8 GiB a month at most, which cost $1.60 a month to keep. */
export const USER_BYTES_PER_DAY = 256 * 1024 * 1024;
/** Tokens that models read again because a user edits, erases, or asks for a summary: ten cents at $0.10 a million. */
export const USER_SUMMARIZER_TOKENS_PER_DAY = 1_000_000;
/** Days of spending that are told at a time: a month. */
export const MAX_SPENDING_DAYS = 31;
/** Sessions that a user creates in a day: one every three minutes, all day and night. */
export const USER_SESSIONS_PER_DAY = 500;
/** Exports of a session, or of all that is known of them, that a user takes in a day: each reads whole logs. */
export const USER_EXPORTS_PER_DAY = 50;
/** Sessions that a user has: past this nobody finds one again, and an erasure of the user takes long. */
export const USER_SESSIONS = 10_000;
/** Requests and frames of a user that one isolate, or one session's object, takes at once: more than a page sends when it opens. */
export const PACED_BURST_UNITS = 30;
/** How many it takes in a second after that: as many in ten seconds as the limit at the edge lets pass, but none of them in a rush. */
export const PACED_UNITS_PER_SECOND = 10;
/** A large body or answer counts as one more for each so many bytes: the thread has as much work with them as with a small request. */
export const BYTES_PER_PACED_UNIT = 128 * 1024;
/** What is refused for what it is counts as so many more: nobody sends that all day but who looks for a way in. */
export const PACED_UNITS_OF_A_REFUSAL = 1;
/** So long a user's request waits for its turn. One that would wait longer is refused: a client would send it again. */
export const MAX_PACED_WAIT_MS = 2_000;
/** What a summary that a user asks for counts at least: a call has a price, however little there is to read. */
export const MIN_USER_SUMMARY_TOKENS = 1_000;
/** What a tool's result over MCP may have, in tokens as Claude counts them: clients cut or refuse what is larger (Claude Code at 25,000). */
export const MAX_MCP_RESULT_TOKENS = 25_000;
/** What a tool tells of a memory where nobody says how much: each call stays in the agent's own context. */
export const DEFAULT_MCP_TOKENS = 4_000;
/** The most that can be asked for: leaves room for what JSON adds, and for the facts beside the text. */
export const MAX_MCP_TOKENS = 20_000;
/** JSON-RPC requests in one body, as clients of 2025-03-26 may send them: each counts as a request. */
export const MAX_MCP_BATCH = 20;
/** How long a tool waits for a summary: as long as clients wait for a tool by default. */
export const MAX_MCP_WAIT_SECONDS = 60;
