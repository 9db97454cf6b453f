import type { SummarizerAnswer, SummarizerRequest } from "../../src/api/summarizer.ts";

const MAX_QUOTED_CHARACTERS = 160;

/** The answer of an agent that quotes each message that it is given. */
export function quoteMessages({ previous, messages }: SummarizerRequest, model: string): SummarizerAnswer {
  const quotes = messages.map(({ seq, text }) => ({
    kind: "fact" as const,
    text: text.slice(0, MAX_QUOTED_CHARACTERS),
    sourceSeqs: [seq],
    status: "current" as const,
  }));
  return { items: [...previous, ...quotes], model };
}
