// Chats without questions, as messages for the service, from any file that `npm run import` reads and from BEAM.
import { stat } from "node:fs/promises";
import path from "node:path";
import { isArchive, openArchive } from "../../scripts/import/archive.ts";
import { detectFormat } from "../../scripts/import/detect-format.ts";
import { READER_DEFAULTS } from "../../scripts/import/entry.ts";
import { Preparer } from "../../scripts/import/prepare.ts";
import { readConversations } from "../../scripts/import/read-file.ts";
import { fileSource, type Source } from "../../scripts/import/source.ts";
import type { NewMessage } from "../../src/api/message.ts";
import { isBeam, readBeam } from "./beam.ts";

export interface Transcript {
  readonly name: string;
  readonly messages: readonly NewMessage[];
}

export interface Transcripts {
  readonly transcripts: readonly Transcript[];
  /** How many messages, lines and conversations could not be read. */
  readonly leftOut: number;
}

/** How much of a file is read to recognize BEAM by its first line. */
const MAX_FIRST_LINE_BYTES = 64 * 1024 * 1024;

/** @throws Error that says what is wrong, if nothing could be read */
export async function readTranscripts(file: string): Promise<Transcripts> {
  const name = path.basename(file);
  if (await isArchive(file)) {
    const archive = await openArchive(file, name);
    try {
      // An archive contains many files that are not conversations.
      return await readSources(archive.sources, { isStrict: true });
    } finally {
      archive.close();
    }
  }
  const { size } = await stat(file);
  const source = fileSource(file, name, size);
  if (isBeam(await firstLineOf(source))) return { transcripts: readBeam(file).map(transcriptOfBeam), leftOut: 0 };
  return readSources([source], { isStrict: false });
}

async function firstLineOf(source: Source): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of source.open()) {
    pieces.push(piece);
    bytes += piece.length;
    if (piece.includes(0x0a) || bytes > MAX_FIRST_LINE_BYTES) break;
  }
  return Buffer.concat(pieces).toString("utf8");
}

function transcriptOfBeam({ id, messages }: ReturnType<typeof readBeam>[number]): Transcript {
  return {
    name: id,
    messages: messages
      .filter(({ content }) => content !== "")
      .map(({ role, content, saidAtMs }) => ({
        role,
        content,
        ...(saidAtMs === null ? {} : { occurredAt: new Date(saidAtMs).toISOString() }),
      })),
  };
}

async function readSources(sources: readonly Source[], { isStrict }: { isStrict: boolean }): Promise<Transcripts> {
  const chats = new Map<string, NewMessage[]>();
  let leftOut = 0;
  let fault: string | null = null;
  for (const source of sources) {
    const found = await detectFormat(source, { isStrict });
    if ("fault" in found) {
      fault ??= `${source.name} ${found.fault}`;
      continue;
    }
    // Only the messages of an exported session are used, because its summaries are made anew.
    const detected = found.format === "exported" ? { ...found, format: "threadkeep" as const } : found;
    // A probe asks what was said before, so of several branches the one that was seen last counts.
    const reader = { ...READER_DEFAULTS, branches: "seen" as const };
    const preparer = new Preparer({ prefix: "", repair: true });
    for await (const entry of readConversations(source, { detected, reader })) {
      if (entry.kind === "bad") {
        fault ??= `${source.name} ${entry.reason}`;
        leftOut += 1;
      }
      if (entry.kind !== "message") continue;
      const result = preparer.message(entry.session, entry.turn, entry.place);
      if ("fault" in result) {
        leftOut += 1;
        continue;
      }
      const messages = chats.get(entry.session) ?? [];
      chats.set(entry.session, messages);
      messages.push(...result.prepared.map(({ message }) => message));
    }
  }
  if (chats.size === 0) throw new Error(fault ?? "it contains no conversation");
  return { transcripts: [...chats].map(([name, messages]) => ({ name, messages })), leftOut };
}
