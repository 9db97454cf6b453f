// The conversation that the demo replays, and the fact that must be remembered at its end.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { type NewMessage, newMessageSchema } from "../../src/api/message.ts";

const SAMPLE = fileURLToPath(new URL("../../examples/sample-conversation.jsonl", import.meta.url));

const lineSchema = z.object({ type: z.literal("message"), session: z.string() }).loose();

export type SampleTurn = NewMessage & { readonly id: string; readonly content: string };

/** The turns of examples/sample-conversation.jsonl, in order. Written for this demo: nobody in it is real. */
export function readSample(): SampleTurn[] {
  const turns: SampleTurn[] = [];
  for (const text of readFileSync(SAMPLE, "utf8").split("\n")) {
    if (text === "") continue;
    const line = lineSchema.safeParse(JSON.parse(text));
    if (!line.success) continue;
    const { type: _type, session: _session, ...rest } = line.data;
    const { id, content, ...message } = newMessageSchema.parse(rest);
    if (id === undefined || typeof content !== "string") throw new Error(`A turn without id or text in ${SAMPLE}`);
    turns.push({ ...message, id, content });
  }
  return turns;
}

/** Something said in the first turns that the end of the conversation does not repeat. */
export interface EarlyFact {
  readonly what: string;
  readonly needle: RegExp;
}

/** Turns up to this one count as early: they are no longer among the recent turns at the end. */
export const EARLY_SEQ = 16;

export const ASKED: EarlyFact = { what: "the allergy", needle: /walnut/i };
export const QUESTION = "Before I book the last restaurants: do you still know what I must not eat?";
export const OTHER_FACTS: readonly EarlyFact[] = [
  { what: "her name", needle: /Marta/i },
  { what: "the budget", needle: /4,200/ },
  { what: "the dates", needle: /20 June/i },
  { what: "no planes", needle: /planes|fly/i },
];
