// Reads the .zip files of ChatGPT and claude.ai as they are: finds the conversations, and names everything else.
// Nothing is unpacked to disk, and only a piece of an entry is in memory at a time.
import { open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { type Entry as ZipEntry, openPromise, type ZipFile } from "yauzl";
import { type Source, UnreadableSource } from "./source.ts";

const SIGNATURE_BYTES = 4;
/** Beginning of a zip file with entries, and of an empty one. */
const SIGNATURES = new Set(["504b0304", "504b0506"]);
/**
 * Deflate makes text about ten times smaller; a ratio of a hundred means repetition. A higher ratio is a decompression
 * bomb.
 */
const MAX_RATIO = 200;
/** This much may be unpacked whatever the ratio. */
const HARMLESS_BYTES = 64 * 1024 * 1024;
/** An export has a file per picture; the list of entries is held in memory. */
const MAX_ENTRIES = 200_000;
const READABLE = /\.(json|jsonl|ndjson|af)$/i;
/** Files that macOS adds to archives. */
const RESOURCE_FORK = /(^|\/)(__MACOSX\/|\._)/;

export interface Archive {
  /** Entries that may contain conversations, ordered by name. */
  readonly sources: Source[];
  /** Entries that contain none, with their kind. */
  readonly others: { readonly name: string; readonly form: string }[];
  close(): void;
}

export async function isArchive(file: string): Promise<boolean> {
  const handle = await open(file, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(SIGNATURE_BYTES), 0, SIGNATURE_BYTES, 0);
    return SIGNATURES.has(buffer.toString("hex", 0, bytesRead));
  } finally {
    await handle.close();
  }
}

/** Throws `UnreadableSource` if the archive is damaged or malicious. */
export async function openArchive(file: string, name: string): Promise<Archive> {
  const zip = await naming(() => openPromise(file, { autoClose: false, lazyEntries: true }));
  try {
    const sources: Source[] = [];
    const others: { name: string; form: string }[] = [];
    if (zip.entryCount > MAX_ENTRIES) {
      throw new UnreadableSource(`has ${zip.entryCount} files in it; this program looks through ${MAX_ENTRIES}`);
    }
    await naming(async () => {
      for await (const entry of zip.eachEntry()) {
        const { fileName } = entry;
        if (fileName.endsWith("/") || RESOURCE_FORK.test(fileName)) continue;
        const isReadable = READABLE.test(fileName);
        if (isReadable) sources.push(entrySource(zip, entry, `${name}/${fileName}`));
        else others.push({ name: `${name}/${fileName}`, form: `${endingOf(fileName)} file of the archive` });
      }
    });
    sources.sort((one, other) => (one.name < other.name ? -1 : 1));
    return { sources, others, close: () => zip.close() };
  } catch (error) {
    zip.close();
    throw error;
  }
}

function endingOf(fileName: string): string {
  return /\.([A-Za-z0-9]{1,8})$/.exec(fileName)?.[1]?.toLowerCase() ?? "other";
}

function entrySource(zip: ZipFile, entry: ZipEntry, name: string): Source {
  return { name, bytes: entry.uncompressedSize, open: () => readEntry(zip, entry) };
}

async function* readEntry(zip: ZipFile, entry: ZipEntry): AsyncGenerator<Uint8Array> {
  const { uncompressedSize: size, compressedSize } = entry;
  if (entry.isEncrypted()) throw new UnreadableSource("is encrypted: unpack it with its password, and name the file");
  if (size > HARMLESS_BYTES && size > MAX_RATIO * compressedSize) {
    throw new UnreadableSource(
      `would unpack from ${compressedSize} bytes to ${size}, which no conversation does. If you trust it, unpack it yourself, and name the file`,
    );
  }
  let sum = 0;
  const stream = await naming(() => zip.openReadStreamPromise(entry));
  try {
    // yauzl ends a stream that grows beyond the size stated in the archive.
    for await (const piece of stream) {
      if (!(piece instanceof Uint8Array)) throw new TypeError("An entry's stream without an encoding gives bytes");
      sum = crc32(piece, sum);
      yield piece;
    }
  } catch (error) {
    throw toUnreadable(error);
  } finally {
    stream.destroy();
  }
  if (sum !== entry.crc32) throw new UnreadableSource("is damaged: its checksum is wrong. Download it once more");
}

async function naming<Result>(act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    throw toUnreadable(error);
  }
}

function toUnreadable(error: unknown): Error {
  if (error instanceof UnreadableSource) return error;
  if (!(error instanceof Error)) return new Error(String(error));
  // A disk error is not the archive's fault.
  if ("syscall" in error) return error;
  return new UnreadableSource(`cannot be read as a .zip archive: ${error.message}`);
}
