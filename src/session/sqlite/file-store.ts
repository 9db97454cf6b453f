import { createHmac, randomBytes } from "node:crypto";
import type { Content, Part, Seq } from "../../api/message.ts";
import { byteLength } from "../../api/text.ts";
import { fileTextTokens } from "../../prompt/file-tokens.ts";
import {
  type HeldFile,
  heldFile,
  heldPartOf,
  heldText,
  heldTextWord,
  heldWord,
  mapFiles,
  MIN_HELD_LENGTH,
  type TextPlace,
} from "../../prompt/held-files.ts";
import { typeByStart } from "../../prompt/inline-bytes.ts";
import { bytesOrNull, number } from "./read-rows.ts";
import type { TableSql } from "./renew-table.ts";
import type { TableGroup } from "./tables.ts";

/**
 * Stores what does not fit into a message's own row, and holds every SQL statement about it: files (each stored once
 * per session, however many messages contain it) and message texts that are too long for a row. A file is recognised by
 * a keyed hash (HMAC-SHA-256 with a key of the session's own), so that equal files of different sessions cannot be
 * matched by their hashes.
 */

/**
 * A JSON text of content longer than this is moved out of the message's row into pages: a SQLite row of a Durable
 * Object holds at most 2 MB.
 */
const MAX_ROW_CONTENT_BYTES = 512 * 1024;
/** Bytes of one page: one row of `file_pages` holds a page of a file or of a long text. */
const PAGE_BYTES = 1024 * 1024;
/**
 * Upper bound on the pages of one file, more than the largest allowed message needs. The rows of file `id` in
 * `file_pages` are numbered from `id * 64` to `id * 64 + 63`.
 */
const MAX_PAGES = 64;
/**
 * Bytes of zeros in front of the data in each row of `file_pages`, as many as a page of the database has. SQLite keeps
 * only the beginning of a large row in its B-tree, and puts the rest on overflow pages. With this filling, the B-tree
 * holds nothing but zeros: when SQLite moves rows between tree pages, no copy of a file's bytes is left behind, and the
 * bytes on the overflow pages can be overwritten in place.
 */
const FILLING_BYTES = 4096;

const AMONG_SEQS = "seq IN (SELECT value FROM json_each(?))";
const UNCITED = "NOT EXISTS (SELECT 1 FROM file_citations WHERE file = id)";

/** A message's content in the form in which its row stores it: with references in place of what is stored here. */
export interface PackedContent {
  readonly json: string;
  /** How many bytes longer the JSON of the original content is than `json`; 0 if nothing was moved out of the row. */
  readonly heldBytes: number;
  /** Ids of the files and long texts that `json` refers to. */
  readonly files: readonly number[];
}

export class FileStore {
  readonly #sql: TableGroup;
  readonly #session: TableGroup;

  /** @param session the group of the session's row, which has the key of the hashes */
  constructor(sql: TableGroup, session: TableGroup) {
    this.#sql = sql;
    this.#session = session;
  }

  /**
   * Moves files and a text that is too long for a row into the tables of this store, and puts references in their
   * places. The caller must then call `cite` with the message's seq and the returned `files`: what no message cites is
   * deleted.
   */
  pack(content: Content, contentJson: string): PackedContent {
    if (contentJson.length < MIN_HELD_LENGTH) return { json: contentJson, heldBytes: 0, files: [] };
    const files = new Set<number>();
    const hold = (text: string): number => {
      const id = this.#hold(text);
      files.add(id);
      return id;
    };
    const lean = mapFiles(content, (text, place, mediaType) => {
      const found = heldPartOf(text);
      if (found === null || !isFile(found, place, mediaType)) return text;
      return heldWord(hold(found.base64), found.head, found.base64, fileTextTokens(mediaType ?? "", text));
    });
    const leanJson = lean === content ? contentJson : JSON.stringify(lean);
    const isLong = byteLength(leanJson) > MAX_ROW_CONTENT_BYTES;
    const json = isLong ? JSON.stringify(heldTextWord(hold(leanJson))) : leanJson;
    if (files.size === 0) return { json, heldBytes: 0, files: [] };
    return { json, heldBytes: byteLength(contentJson) - byteLength(json), files: [...files] };
  }

  #hold(text: string): number {
    const bytes = new TextEncoder().encode(text);
    const hash = createHmac("sha256", this.#key()).update(bytes).digest();
    const known = this.#sql.exec("SELECT id FROM files WHERE hash = ?", hash).toArray()[0];
    if (known !== undefined) return number(known["id"]);
    const added = this.#sql.exec("INSERT INTO files (hash, bytes) VALUES (?, ?) RETURNING id", hash, bytes.byteLength);
    const id = number(added.toArray()[0]?.["id"]);
    for (let page = 0; page * PAGE_BYTES < bytes.byteLength; page += 1) {
      this.#sql.exec(
        `INSERT INTO file_pages (row, filling, data) VALUES (?, zeroblob(${FILLING_BYTES}), ?)`,
        id * MAX_PAGES + page,
        bytes.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES),
      );
    }
    return id;
  }

  /** The HMAC key of this session's files. It is made when the first file is stored. */
  #key(): Uint8Array {
    const known = bytesOrNull(
      this.#session.exec("SELECT file_key FROM session WHERE one = 1").toArray()[0]?.["file_key"],
    );
    if (known !== null) return known;
    const key = randomBytes(32);
    this.#session.exec("UPDATE session SET file_key = ? WHERE one = 1", key);
    return key;
  }

  /**
   * Records which files a message contains, in place of what was recorded for it before. Files that no message contains
   * any more are overwritten and deleted.
   */
  cite(seq: Seq, files: readonly number[]): void {
    const before = this.#citedBy([seq]);
    for (const file of files) {
      if (!before.includes(file)) this.#sql.exec("INSERT INTO file_citations (seq, file) VALUES (?, ?)", seq, file);
    }
    const gone = before.filter((file) => !files.includes(file));
    for (const file of gone) this.#sql.exec("DELETE FROM file_citations WHERE seq = ? AND file = ?", seq, file);
    this.#eraseUncited(gone);
  }

  /**
   * Removes the citations of messages that are erased. Files that no other message contains are overwritten and
   * deleted.
   */
  release(seqs: readonly Seq[]): void {
    const files = this.#citedBy(seqs);
    if (files.length === 0) return;
    this.#sql.exec(`DELETE FROM file_citations WHERE ${AMONG_SEQS}`, JSON.stringify(seqs));
    this.#eraseUncited(files);
  }

  #citedBy(seqs: readonly Seq[]): number[] {
    return this.#sql
      .exec(`SELECT DISTINCT file FROM file_citations WHERE ${AMONG_SEQS}`, JSON.stringify(seqs))
      .toArray()
      .map(({ file }) => number(file));
  }

  /**
   * Deletes those of the given files that no message cites. Their bytes are overwritten with zeros first, because
   * SQLite does not clear the pages that it frees.
   */
  #eraseUncited(among: readonly number[]): void {
    if (among.length === 0) return;
    const uncited = this.#sql
      .exec(`SELECT id FROM files WHERE id IN (SELECT value FROM json_each(?)) AND ${UNCITED}`, JSON.stringify(among))
      .toArray()
      .map(({ id }) => number(id));
    for (const id of uncited) {
      const [from, to] = [id * MAX_PAGES, (id + 1) * MAX_PAGES];
      this.#sql.exec("UPDATE file_pages SET data = zeroblob(octet_length(data)) WHERE row >= ? AND row < ?", from, to);
      this.#sql.exec("DELETE FROM file_pages WHERE row >= ? AND row < ?", from, to);
      this.#sql.exec("DELETE FROM files WHERE id = ?", id);
    }
  }

  /**
   * Puts the files back in the places of their references. Throws if a file is missing.
   * @param isMeant selects the parts whose files are needed; in all other parts the references stay
   */
  whole(content: Content, isMeant?: (part: Part) => boolean): Content {
    return mapFiles(
      content,
      (text) => {
        const held = heldFile(text);
        return held === null ? text : held.head + readPages(this.#sql, held.id);
      },
      isMeant,
    );
  }

  /**
   * Takes a row's JSON and returns the message's JSON: read from its pages if the text was too long for the row.
   * References to files stay references.
   */
  toldJson(json: string): string {
    return toldJson(this.#sql, json);
  }

  /** Does the same as `toldJson` for content that is parsed already. */
  told(content: Content): Content {
    const id = heldText(content);
    return id === null ? content : JSON.parse(readPages(this.#sql, id));
  }

  /**
   * Whether the tables agree: every file has all of its bytes and is cited, every citation has its file and a message
   * that refers to files, and no page is without a file. Part of the integrity check.
   */
  isWhole(): boolean {
    const wrong = this.#sql.exec(
      `SELECT 1 FROM files WHERE ${UNCITED} OR bytes <> coalesce((SELECT sum(octet_length(data)) FROM file_pages
         WHERE row >= id * ${MAX_PAGES} AND row < (id + 1) * ${MAX_PAGES}), 0)
       UNION ALL SELECT 1 FROM file_citations WHERE NOT EXISTS (SELECT 1 FROM files WHERE id = file)
         OR NOT EXISTS (SELECT 1 FROM messages WHERE messages.seq = file_citations.seq AND held_bytes > 0)
       UNION ALL SELECT 1 FROM file_pages WHERE NOT EXISTS (SELECT 1 FROM files WHERE id = row / ${MAX_PAGES})
       LIMIT 1`,
    );
    return wrong.toArray().length === 0;
  }

  /** Deletes every file and every long text. */
  clear(): void {
    this.#sql.drop();
  }
}

/** Does what the method of the same name does, with the statements of any connection to the database. */
export function toldJson(sql: TableSql, json: string): string {
  if (json.length > MAX_TEXT_WORD_LENGTH) return json;
  const content: Content = JSON.parse(json);
  const id = heldText(content);
  return id === null ? json : readPages(sql, id);
}

function readPages(sql: TableSql, id: number): string {
  const pages = sql
    .exec("SELECT data FROM file_pages WHERE row >= ? AND row < ? ORDER BY row", id * MAX_PAGES, (id + 1) * MAX_PAGES)
    .toArray()
    .map(({ data }) => bytesOrNull(data));
  if (pages.length === 0) throw new Error(`file ${id}, which a message refers to, is not stored`);
  const decoder = new TextDecoder();
  return pages.map((page) => decoder.decode(page ?? undefined, { stream: true })).join("") + decoder.decode();
}

/**
 * The JSON of a reference to a long text is never longer than this, in characters: longer JSON need not be parsed to
 * look for one.
 */
const MAX_TEXT_WORD_LENGTH = 100;

/**
 * Whether to store a text as a file. Encoded bytes that a prompt would show as text (of no known file type) stay in the
 * content.
 */
function isFile(
  { head, base64 }: Pick<HeldFile, "head"> & { readonly base64: string },
  place: TextPlace,
  mediaType: string | undefined,
): boolean {
  if (place === "file" || head !== "") return true;
  return place === "bytes" && (typeByStart(base64) ?? mediaType) !== undefined;
}
