// Reads the values of a JSON list one at a time: a year of chats is one list of hundreds of megabytes, of which only
// one chat is in memory.

/** A conversation seldom exceeds a few MB. A larger one is reported, so that one broken file cannot fill the memory. */
export const MAX_ELEMENT_BYTES = 256 * 1024 * 1024;

export type Element =
  /** Index from 1; null if the document is not a list but a single value. */
  { readonly index: number | null } & ({ readonly text: string } | { readonly fault: string });

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const LIST_BEGIN = 0x5b;
const LIST_END = 0x5d;
const OBJECT_BEGIN = 0x7b;
const OBJECT_END = 0x7d;
const SPACE = 0x20;
const MARK = new Set([0xef, 0xbb, 0xbf]);

const BREAKS_OFF = "is not valid JSON (it breaks off)";

/** @param maxBytes maximum size of an element; 0 only counts them, without their texts */
export async function* readElements(
  pieces: AsyncIterable<Uint8Array>,
  maxBytes: number = MAX_ELEMENT_BYTES,
): AsyncGenerator<Element> {
  const scanner = new Scanner(maxBytes);
  for await (const piece of pieces) yield* scanner.scan(piece);
  const rest = scanner.end();
  if (rest !== null) yield rest;
}

/** The number of values in the list, or 1 if the document is not a list. */
export async function countElements(pieces: AsyncIterable<Uint8Array>): Promise<number> {
  const scanner = new Scanner(0);
  let count = 0;
  for await (const piece of pieces) {
    for (const { index } of scanner.scan(piece)) count = Math.max(count, index ?? 1);
  }
  return count;
}

/**
 * Follows brackets and strings byte by byte; in UTF-8, no other character contains their bytes. The rest is left to the
 * JSON parser.
 */
class Scanner {
  readonly #maxBytes: number;
  #state: "before" | "between" | "inside" | "after" = "before";
  #isList = false;
  #count = 0;
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  /** True in a value that began with a letter or a digit; it ends at a comma or at the end of the list. */
  #isBare = false;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #isTrailingNamed = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  *scan(piece: Uint8Array): Generator<Element> {
    let start = 0;
    for (let at = 0; at < piece.length; at += 1) {
      const byte = piece[at] ?? 0;
      if (this.#state !== "inside") {
        if (byte <= SPACE || (this.#state === "before" && MARK.has(byte))) continue;
        if (this.#state === "after") {
          if (!this.#isTrailingNamed) yield { index: null, fault: "is not valid JSON (it goes on after its end)" };
          this.#isTrailingNamed = true;
          return;
        }
        if (this.#state === "before" && byte === LIST_BEGIN) {
          this.#isList = true;
          this.#state = "between";
          continue;
        }
        if (this.#state === "between" && byte === COMMA) continue;
        if (this.#state === "between" && byte === LIST_END) {
          this.#state = "after";
          continue;
        }
        this.#begin(byte);
        start = at;
        // Brackets and quotes are handled below.
        if (this.#isBare) continue;
      }
      if (this.#isInString) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === BACKSLASH) this.#isEscaped = true;
        else if (byte === QUOTE) {
          this.#isInString = false;
          if (this.#depth === 0 && !this.#isBare) yield this.#finish(piece.subarray(start, at + 1));
        }
      } else if (byte === QUOTE) this.#isInString = true;
      else if (byte === OBJECT_BEGIN || byte === LIST_BEGIN) this.#depth += 1;
      else if (this.#isBare && this.#depth === 0 && (byte === COMMA || byte === LIST_END)) {
        yield this.#finish(piece.subarray(start, at));
        if (byte === LIST_END && this.#isList) this.#state = "after";
      } else if (byte === OBJECT_END || byte === LIST_END) {
        this.#depth = Math.max(0, this.#depth - 1);
        if (this.#depth === 0 && !this.#isBare) yield this.#finish(piece.subarray(start, at + 1));
      }
    }
    if (this.#state === "inside") this.#take(piece.subarray(start));
  }

  /** The remaining element at the end of the input. */
  end(): Element | null {
    if (this.#state === "inside") {
      const element = this.#finish(new Uint8Array());
      if (!this.#isBare || this.#isList) return { index: element.index, fault: BREAKS_OFF };
      return element;
    }
    return this.#state === "between" ? { index: null, fault: BREAKS_OFF } : null;
  }

  #begin(byte: number): void {
    this.#state = "inside";
    this.#count += 1;
    this.#depth = 0;
    this.#isInString = false;
    this.#isEscaped = false;
    this.#isBare = byte !== OBJECT_BEGIN && byte !== LIST_BEGIN && byte !== QUOTE;
  }

  #take(piece: Uint8Array): void {
    this.#bytes += piece.length;
    // Beyond the limit only the size is counted, so that it takes no memory.
    if (this.#bytes <= this.#maxBytes) this.#parts.push(piece);
    else this.#parts = [];
  }

  #finish(last: Uint8Array): Element {
    this.#take(last);
    const index = this.#isList ? this.#count : null;
    const bytes = this.#bytes;
    const parts = this.#parts;
    this.#parts = [];
    this.#bytes = 0;
    this.#state = this.#isList ? "between" : "after";
    if (bytes > this.#maxBytes) {
      return { index, fault: `is ${bytes} bytes long; one conversation may have ${this.#maxBytes}` };
    }
    try {
      return { index, text: new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(parts)) };
    } catch {
      return { index, fault: "is not valid UTF-8" };
    }
  }
}
