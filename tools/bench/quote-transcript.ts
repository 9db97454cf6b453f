// What a stand-in for a model answers: the first words of each message as an item, and the items so far as they were. It needs
// no model, takes no time, and stands up to every check, because it only quotes.
import { z } from "zod";
import { itemSchema } from "../../src/api/summary.ts";

const MAX_QUOTED_CHARACTERS = 160;

/** `[seq, role, author, text]`, as the prompt gives a message. */
const saidSchema = z.tuple([z.int(), z.string(), z.string(), z.string()]);
const dataSchema = z
  .object({ previous: z.array(itemSchema), days: z.array(z.object({ messages: z.array(saidSchema) })) })
  .transform(({ previous, days }) => ({
    previous,
    messages: days.flatMap(({ messages }) =>
      messages.map(([seq, role, author, text]) => ({ seq, role, author, text })),
    ),
  }));
export type PromptData = z.output<typeof dataSchema>;

/** The data that the built-in agent fences in its prompt. */
export function readPromptData(prompt: string): PromptData {
  const [, mark] = /^DATA (\S+)$/m.exec(prompt) ?? [];
  const lines = prompt.split("\n");
  const text = mark === undefined ? undefined : lines[lines.indexOf(`DATA ${mark}`) + 1];
  if (text === undefined) throw new Error("the prompt holds no data between two lines with a mark");
  return dataSchema.parse(JSON.parse(text));
}

/** An answer as the prompt asks for it. */
export function quoteTranscript(prompt: string): string {
  const { previous, messages } = readPromptData(prompt);
  const quotes = messages
    .filter(({ text }) => text.trim() !== "")
    .map(({ seq, text }) => ({
      id: null,
      kind: "fact",
      text: text.slice(0, MAX_QUOTED_CHARACTERS),
      sourceSeqs: [seq],
      status: "current",
    }));
  return JSON.stringify({ items: [...previous, ...quotes] });
}
