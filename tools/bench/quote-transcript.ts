// The answer of a stand-in for a model: each message's first words as an item, and the existing items unchanged. It needs no model and
// no time, and passes every check, because it only quotes.
import { z } from "zod";
import { itemSchema } from "../../src/api/summary.ts";

const MAX_QUOTED_CHARACTERS = 160;

/** `[seq, role, author, text]`: a message in the prompt. */
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

/**
 * The data that the prompt of the built-in agent contains.
 * @internal Stand-in models of tests read prompts with it.
 */
export function readPromptData(prompt: string): PromptData {
  const [, mark] = /^DATA (\S+)$/m.exec(prompt) ?? [];
  const lines = prompt.split("\n");
  const text = mark === undefined ? undefined : lines[lines.indexOf(`DATA ${mark}`) + 1];
  if (text === undefined) throw new Error("the prompt contains no data between two lines with a mark");
  return dataSchema.parse(JSON.parse(text));
}

/** An answer in the form that the prompt asks for. */
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
