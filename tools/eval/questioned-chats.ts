// Conversations with questions about them, from files of LoCoMo, QMSum and BEAM.
import { readFileSync } from "node:fs";
import { z } from "zod";
import { parseLocomoDate, toIso } from "../../scripts/import/dates.ts";
import { type BeamChat, isBeam, readBeam } from "./beam.ts";
import { stemsOf } from "./stems.ts";

export interface Turn {
  readonly role: "user" | "assistant";
  /** Null in a chat with an assistant, where the role says who speaks. */
  readonly speaker: string | null;
  readonly text: string;
  /** ISO 8601; empty if the file has no date. */
  readonly at: string;
}

export interface Question {
  /** Stems of the file's own answer. */
  readonly stems: ReadonlySet<string>;
  /** Indexes of the `sittings` with the evidence. */
  readonly sittings: readonly number[];
  /** The last turn of the evidence, counted from 1 over all sittings, which is its seq in an empty session. */
  readonly lastSeq: number;
  /** The seqs of the evidence: whole sittings in LoCoMo, parts of a meeting in QMSum. */
  readonly places: readonly Span[];
}

export interface Span {
  readonly fromSeq: number;
  readonly throughSeq: number;
}

export interface Chat {
  readonly id: string;
  /** Whether the chat is too long to be summarized in one call. A chat of BEAM is, so it is only rolled. */
  readonly isRolledAlone: boolean;
  /** The parts that are summarized in one call: a sitting of LoCoMo, a whole meeting of QMSum. */
  readonly sittings: readonly (readonly Turn[])[];
  readonly questions: readonly Question[];
}

/** The categories of LoCoMo that ask for what was said: 1 in several places, 4 in one place. */
const LOCOMO_CATEGORIES = new Set([1, 4]);

const locomoTurnSchema = z.object({ dia_id: z.string().optional(), speaker: z.string(), text: z.string() });
const locomoSchema = z.array(
  z.object({
    sample_id: z.string(),
    conversation: z.record(z.string(), z.unknown()),
    qa: z.array(
      z.object({
        category: z.number(),
        answer: z.union([z.string(), z.number()]).optional(),
        evidence: z.array(z.string()).default([]),
      }),
    ),
  }),
);
const meetingSchema = z.object({
  meeting_transcripts: z.array(z.object({ speaker: z.string(), content: z.string() })),
  specific_query_list: z.array(
    z.object({ answer: z.string(), relevant_text_span: z.array(z.array(z.coerce.number()).min(2)) }),
  ),
});

/** @throws Error that says why the file is none of the known kinds */
export function readChats(path: string): Chat[] {
  const text = readFileSync(path, "utf8");
  if (isBeam(text)) return readBeam(path, text).map(readBeamChat);
  const isLocomo = text.trimStart().startsWith("[");
  const chats = isLocomo
    ? locomoSchema.parse(JSON.parse(text)).map(readSample)
    : text
        .split("\n")
        .filter((line) => line.trim() !== "")
        .map((line, index) => readMeeting(meetingSchema.parse(JSON.parse(line)), index));
  if (chats.length === 0) throw new Error(`${path} holds no conversation`);
  return chats;
}

function readSample({ sample_id: id, conversation, qa }: z.infer<typeof locomoSchema>[number]): Chat {
  const places = new Map<number, number>();
  const seqs = new Map<string, number>();
  const spans = new Map<number, Span>();
  const sittings: Turn[][] = [];
  let seq = 0;
  for (const [key, value] of Object.entries(conversation)) {
    const turns = /^session_\d+$/.test(key) ? z.array(locomoTurnSchema).safeParse(value) : null;
    if (turns?.success !== true || turns.data.length === 0) continue;
    const number = Number(key.slice("session_".length));
    const startMs = parseLocomoDate(conversation[`${key}_date_time`]);
    const fromSeq = seq + 1;
    places.set(number, sittings.length);
    sittings.push(
      turns.data.map(({ dia_id: diaId, speaker, text }, index) => {
        seq += 1;
        if (diaId !== undefined) seqs.set(diaId, seq);
        return {
          role: "user",
          speaker,
          text,
          at: (startMs === undefined ? undefined : toIso(startMs + index * 1_000)) ?? "",
        };
      }),
    );
    spans.set(number, { fromSeq, throughSeq: seq });
  }
  const questions = qa
    .filter(({ category, answer }) => LOCOMO_CATEGORIES.has(category) && answer !== undefined)
    .map(({ answer, evidence }): Question => {
      const named = evidence.flatMap((place) => [...place.matchAll(/D(\d+):(\d*)/g)]);
      const numbers = [...new Set(named.map((match) => Number(match[1])))].filter((number) => places.has(number));
      // Some evidence names a turn that does not exist. Then the whole sitting has to be covered.
      const ends = named.map(([diaId, number]) => seqs.get(diaId) ?? spans.get(Number(number))?.throughSeq ?? 0);
      return {
        stems: stemsOf(String(answer)),
        sittings: numbers.flatMap((number) => places.get(number) ?? []),
        lastSeq: Math.max(0, ...ends),
        places: numbers.flatMap((number) => spans.get(number) ?? []),
      };
    });
  return { id, isRolledAlone: false, sittings, questions: questions.filter(isAnswerable) };
}

/** Only the words that the evidence contains count: other words of an answer repeat the question or say how to answer. They may be anywhere in the summary. */
function readBeamChat({ id, messages, questions }: BeamChat): Chat {
  const turns = messages.map(({ role, content, saidAtMs }): Turn => ({
    role,
    speaker: null,
    text: content,
    at: (saidAtMs === null ? undefined : toIso(saidAtMs)) ?? "",
  }));
  const read = questions.map(({ answer, evidence }): Question => {
    const said = stemsOf(evidence.map((seq) => messages[seq - 1]?.content ?? "").join("\n"));
    return {
      stems: new Set([...stemsOf(answer)].filter((stem) => said.has(stem))),
      sittings: [0],
      lastSeq: Math.max(0, ...evidence),
      places: [{ fromSeq: 1, throughSeq: messages.length }],
    };
  });
  return { id, isRolledAlone: true, sittings: [turns], questions: read.filter(isAnswerable) };
}

function readMeeting(
  { meeting_transcripts: said, specific_query_list: queries }: z.infer<typeof meetingSchema>,
  index: number,
): Chat {
  const turns = said.map(({ speaker, content }): Turn => ({ role: "user", speaker, text: content, at: "" }));
  const questions = queries.map(({ answer, relevant_text_span: spans }): Question => {
    const places = spans.map(([from = 0, through = 0]) => ({ fromSeq: from + 1, throughSeq: through + 1 }));
    const lastSeq = Math.min(turns.length, Math.max(0, ...places.map(({ throughSeq }) => throughSeq)));
    return { stems: stemsOf(answer), sittings: [0], lastSeq, places };
  });
  return {
    id: `meeting-${index + 1}`,
    isRolledAlone: false,
    sittings: [turns],
    questions: questions.filter(isAnswerable),
  };
}

function isAnswerable({ stems, sittings, lastSeq }: Question): boolean {
  return stems.size > 0 && sittings.length > 0 && lastSeq > 0;
}
