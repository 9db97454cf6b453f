import type OpenAI from "openai";
import type { Session } from "threadkeep-client";

/** One turn with OpenAI's Chat Completions: the question goes into the session, the context comes back, the answer follows. */
export async function answer(openai: OpenAI, model: string, session: Session, question: string): Promise<string> {
  const { context } = await session.append(question, { context: { format: "openai-chat", query: "auto" } });
  const completion = await openai.chat.completions.create({ model, messages: context.messages });
  const text = completion.choices[0]?.message.content ?? "";
  await session.append({ role: "assistant", content: text });
  return text;
}
