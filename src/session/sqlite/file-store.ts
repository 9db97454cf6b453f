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
import { renewTable, type TableSql } from "./renew-table.ts";
import { bytesOrNull, number } from "./rows.ts";

/**
 * Every SQL statement about what stands outside of its message's row: files, each once however many messages cite it, and what a message
 * says where that is too long for a row. They are told apart by a keyed hash, which tells nobody elsewhere that there is the same file.
 */

/** A longer text stands in pages: a row holds 2 MB. */
const MAX_ROW_CONTENT_BYTES = 512 * 1024;
/** Of a file or of a text in one row. */
const PAGE_BYTES = 1024 * 1024;
/** More than the largest message takes. The rows of a file are those from its id times this on. */
const MAX_PAGES = 64;
/**
 * Comes before the bytes in a row, and is as large as a page of the database: all that SQLite keeps of the row in its tree is of the
 * filling. When it moves rows between the pages of the tree, no copy of a file is left behind; and the bytes are written over in place.
 */
const FILLING_BYTES = 4096;

const AMONG_SEQS = "seq IN (SELECT value FROM json_each(?))";
const UNCITED = "NOT EXISTS (SELECT 1 FROM file_citations WHERE file = id)";

/** Content as its row has it. */
export interface PackedContent {
  readonly json: string;
  /** What its JSON has beyond that, outside of the row; 0 if nothing. */
  readonly heldBytes: number;
  readonly files: readonly number[];
}

export class FileStore {
  readonly #sql: TableSql;

  constructor(sql: TableSql) {
    this.#sql = sql;
  }

  /** Puts away what is not to stand in a message's row. Whoever calls says with `cite` whose it is. */
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

  /** What the files of this session are hashed with: made with the first of them. */
  #key(): Uint8Array {
    const known = bytesOrNull(this.#sql.exec("SELECT file_key FROM session WHERE one = 1").toArray()[0]?.["file_key"]);
    if (known !== null) return known;
    const key = randomBytes(32);
    this.#sql.exec("UPDATE session SET file_key = ? WHERE one = 1", key);
    return key;
  }

  /** Notes which files a message has, in the place of those that it had; those that no message has any more go. */
  cite(seq: Seq, files: readonly number[]): void {
    const before = this.#citedBy([seq]);
    for (const file of files) {
      if (!before.includes(file)) this.#sql.exec("INSERT INTO file_citations (seq, file) VALUES (?, ?)", seq, file);
    }
    const gone = before.filter((file) => !files.includes(file));
    for (const file of gone) this.#sql.exec("DELETE FROM file_citations WHERE seq = ? AND file = ?", seq, file);
    this.#eraseUncited(gone);
  }

  /** Messages are erased: their files go, but for those that others have as well. */
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

  /** Writes over what is freed: SQLite frees pages as they are. */
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

  /** Content as it was given. @param isMeant of which parts the files are needed: of all others they stay what stands for them */
  whole(content: Content, isMeant?: (part: Part) => boolean): Content {
    return mapFiles(
      content,
      (text) => {
        const held = heldFile(text);
        return held === null ? text : held.head + this.#read(held.id);
      },
      isMeant,
    );
  }

  /** JSON of content, with its words where they are too long for a row, and with what stands for its files. */
  toldJson(json: string): string {
    if (json.length > MAX_TEXT_WORD_LENGTH) return json;
    const content: Content = JSON.parse(json);
    const id = heldText(content);
    return id === null ? json : this.#read(id);
  }

  /** The same of content. */
  told(content: Content): Content {
    const id = heldText(content);
    return id === null ? content : JSON.parse(this.#read(id));
  }

  #read(id: number): string {
    const pages = this.#sql
      .exec("SELECT data FROM file_pages WHERE row >= ? AND row < ? ORDER BY row", id * MAX_PAGES, (id + 1) * MAX_PAGES)
      .toArray()
      .map(({ data }) => bytesOrNull(data));
    if (pages.length === 0) throw new Error("a file that a message has is not there");
    const decoder = new TextDecoder();
    return pages.map((page) => decoder.decode(page ?? undefined, { stream: true })).join("") + decoder.decode();
  }

  /** Whether each file is there as a whole and cited by a message that knows of it, and no message lacks one. */
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

  /** Takes out every file. */
  clear(): void {
    if (this.#sql.exec("SELECT 1 FROM files LIMIT 1").toArray().length === 0) return;
    for (const table of ["file_citations", "file_pages", "files"]) renewTable(this.#sql, table, null);
  }
}

/** What stands for a text in pages is shorter, as JSON. */
const MAX_TEXT_WORD_LENGTH = 100;

/** Bytes that a prompt has as words stay among them. */
function isFile(
  { head, base64 }: Pick<HeldFile, "head"> & { readonly base64: string },
  place: TextPlace,
  mediaType: string | undefined,
): boolean {
  if (place === "file" || head !== "") return true;
  return place === "bytes" && (typeByStart(base64) ?? mediaType) !== undefined;
}
