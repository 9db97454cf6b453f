// Reads BEAM (mohammadtavakoli78/BEAM), one chat a line as JSON: chats of a user with an assistant, and questions with the messages that
// contain the evidence.
import { readFileSync } from "node:fs";
import { z } from "zod";

const messageSchema = z.object({
  id: z.string(),
  role: z.enum(["user", "assistant"]),
  date: z.string().nullish(),
  content: z.string(),
});
const questionSchema = z.object({
  type: z.string(),
  question: z.string(),
  answer: z.string().default(""),
  rubric: z.array(z.string()).default([]),
  evidence: z.array(z.string()).default([]),
});
const chatSchema = z.object({
  chat: z.union([z.string(), z.number()]),
  messages: z.array(messageSchema).min(1),
  questions: z.array(questionSchema),
});

interface BeamQuestion {
  readonly type: string;
  readonly text: string;
  readonly answer: string;
  /** Positions of the evidence among the messages, from 1, which are their seqs in an empty session. */
  readonly evidence: readonly number[];
}

interface BeamMessage {
  readonly role: "user" | "assistant";
  readonly content: string;
  /** Milliseconds since 1970; null if the file has no date. */
  readonly saidAtMs: number | null;
}

export interface BeamChat {
  readonly id: string;
  readonly messages: readonly BeamMessage[];
  readonly questions: readonly BeamQuestion[];
}

/** Whether a file is one of BEAM, which its first line shows: an object with a chat's messages and questions. */
export function isBeam(text: string): boolean {
  const end = text.indexOf("\n");
  const line = end < 0 ? text : text.slice(0, end);
  if (!line.startsWith("{")) return false;
  try {
    return chatSchema.safeParse(JSON.parse(line)).success;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/** @throws Error that names the line and what is wrong with it */
export function readBeam(file: string, text: string = readFileSync(file, "utf8")): BeamChat[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line, index) => {
    const read = chatSchema.safeParse(JSON.parse(line));
    if (!read.success)
      throw new Error(`${file}, line ${index + 1}: not a chat of BEAM: ${z.prettifyError(read.error)}`);
    const { chat, messages, questions } = read.data;
    const places = new Map(messages.map(({ id }, place) => [id, place + 1]));
    // A date stands with the first message of a sitting, and holds until the next date.
    let saidAtMs: number | null = null;
    return {
      id: `chat ${chat}`,
      messages: messages.map(({ role, date, content }) => {
        const named = (date ?? "").replaceAll("-", " ");
        const parsed = Date.parse(`${named} 12:00 UTC`);
        if (named !== "" && !Number.isNaN(parsed)) saidAtMs = parsed;
        return { role, content, saidAtMs };
      }),
      questions: questions.map(({ type, question, answer, evidence }) => ({
        type,
        text: question,
        answer,
        evidence: [...new Set(evidence.flatMap((id) => places.get(id) ?? []))],
      })),
    };
  });
}
