import { z } from "zod";
import { estimateTokens } from "../../src/tokens/estimate.ts";
import { send, type ServiceAddress } from "./service-calls.ts";

/** How much of each prompt a provider's cache can reuse from the prompt before: a chat with summaries is played turn by turn. */

export interface PrefixOptions {
  readonly turns: number;
  readonly format: (typeof PREFIX_FORMATS)[number];
  readonly print: (line: string) => void;
}

export const PREFIX_FORMATS = ["openai-chat", "openai-responses", "anthropic", "ai-sdk"] as const;

/** Words of a user's and of an assistant's turn, at their usual lengths. */
const QUESTION_WORDS = 20;
const ANSWER_WORDS = 45;
const WORDS =
  "the boat berth harbour fee of next invoice for May was paid by Ada who asks about sails and a new mast".split(" ");

const answerSchema = z.object({
  context: z.object({
    system: z.string().optional(),
    messages: z.array(z.unknown()).optional(),
    input: z.array(z.unknown()).optional(),
    meta: z.object({ summaryThroughSeq: z.int(), stableHash: z.string(), stableMessages: z.int() }),
  }),
});

/** @returns which share of all tokens was a prefix shared with the prompt before, in percent */
export async function measurePrefix(service: ServiceAddress, { turns, format, print }: PrefixOptions): Promise<number> {
  const session = `/v1/sessions/prefix-${crypto.randomUUID()}`;
  let before: readonly string[] = [];
  let [shared, whole, summaries, covered] = [0, 0, 0, 0];
  for (let turn = 1; turn <= turns; turn += 1) {
    await send(service, "POST", `${session}/messages`, {
      messages: [{ role: "assistant", content: wordsOf(turn, ANSWER_WORDS) }].slice(turn === 1 ? 1 : 0).concat({
        role: "user",
        content: wordsOf(turn + 7, QUESTION_WORDS),
      }),
    });
    const { context } = answerSchema.parse({
      context: await send(service, "GET", `${session}/context?format=${format}`),
    });
    const prompt = [context.system ?? null, ...(context.messages ?? context.input ?? [])].map((part) =>
      JSON.stringify(part),
    );
    const end = prompt.findIndex((part, index) => part !== before[index]);
    const kept = end === -1 ? prompt : prompt.slice(0, end);
    whole += tokensOf(prompt);
    shared += tokensOf(kept);
    if (context.meta.summaryThroughSeq > covered) summaries += 1;
    covered = context.meta.summaryThroughSeq;
    before = prompt;
  }
  const percent = (100 * shared) / Math.max(1, whole);
  print(
    `${format}: ${percent.toFixed(1)} % of the tokens of ${turns} contexts were a prefix shared with the context before, over ${summaries} summaries`,
  );
  return percent;
}

function tokensOf(parts: readonly string[]): number {
  return parts.reduce((sum, part) => sum + estimateTokens(part), 0);
}

/** Different words in each turn, and the same words in each run. */
function wordsOf(turn: number, count: number): string {
  const words = Array.from({ length: count }, (_, at) => WORDS[(turn * 7 + at * (1 + (turn % 5))) % WORDS.length]);
  return `${words.join(" ")} in berth ${turn}.`;
}
