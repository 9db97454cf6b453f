import type OpenAI from "openai";
import type { Session } from "threadkeep-client";

/** One turn with OpenAI's Chat Completions: append the question and get the context, call the model, append the answer. */
export async function answer(openai: OpenAI, model: string, session: Session, question: string): Promise<string> {
  const { context } = await session.append(question, { context: { format: "openai-chat", query: "auto" } });
  const completion = await openai.chat.completions.create({ model, messages: context.messages });
  const text = completion.choices[0]?.message.content ?? "";
  await session.append({ role: "assistant", content: text });
  return text;
}
