import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { dynamicTool, generateText, jsonSchema, type ModelMessage } from "ai";

export const PROVIDERS = ["anthropic", "openai-compatible"] as const;
export type Provider = (typeof PROVIDERS)[number];

/** The body of the request that the AI SDK sends. */
export async function bodyOf(
  provider: Provider,
  system: string | undefined,
  messages: ModelMessage[],
): Promise<unknown> {
  let body: unknown;
  const record = async (_: unknown, init?: RequestInit): Promise<Response> => {
    body = JSON.parse(String(init?.body));
    return new Response("{}", { status: 400 });
  };
  const model =
    provider === "anthropic"
      ? createAnthropic({ apiKey: "none", fetch: record })("claude-sonnet-4-5")
      : createOpenAICompatible({
          name: "model",
          baseURL: "http://localhost:1",
          fetch: record,
          // Otherwise the SDK fetches them.
          supportedUrls: () => ({ "image/*": [/^https:/] }),
        }).chatModel("some");
  const tools = { berths: dynamicTool({ inputSchema: jsonSchema({ type: "object" }), execute: () => null }) };
  await generateText({
    model,
    messages,
    tools,
    maxRetries: 0,
    maxOutputTokens: 100,
    ...(system === undefined ? {} : { system }),
  }).catch((error: unknown) => {
    if (body === undefined) throw error;
  });
  return body;
}
