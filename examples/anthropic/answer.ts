import type Anthropic from "@anthropic-ai/sdk";
import type { Session } from "threadkeep-client";

/** One turn with Anthropic's Messages: the same three steps, in its format. */
export async function answer(anthropic: Anthropic, model: string, session: Session, question: string): Promise<string> {
  const { context } = await session.append(question, { context: { format: "anthropic", query: "auto" } });
  const { system, messages } = context;
  const reply = await anthropic.messages.create({
    model,
    max_tokens: 1_000,
    messages,
    ...(system === undefined ? {} : { system }),
  });
  const text = reply.content.flatMap((block) => (block.type === "text" ? [block.text] : [])).join("");
  await session.append({ role: "assistant", content: text });
  return text;
}
