// A stand-in for a model on loopback, which answers at once, or after as long as it is told: it speaks the wire format of OpenAI's chat
// completions, so that the whole way to a model and back is in what is measured, and no model is.
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { sendJson, serveOnLoopback } from "../../scripts/dev/loopback-server.ts";
import { findFreePort } from "../../scripts/dev/ports.ts";
import { quoteTranscript } from "./quote-transcript.ts";

export interface InstantModel {
  /** What a service is set to, to use it. */
  readonly env: Record<string, string>;
  close(): Promise<void>;
}

const NAME = "instant";
/** Plausible, for what counts them; nobody is charged. */
const USAGE = { prompt_tokens: 1_000, completion_tokens: 100, total_tokens: 1_100 };

const requestSchema = z.object({ messages: z.array(z.object({ role: z.string(), content: z.string() })).min(1) });

/** @param delayMs from a question to its answer */
export async function startInstantModel(delayMs = 0): Promise<InstantModel> {
  const { url, close } = await serveOnLoopback(
    async (_request, response, body) => {
      if (delayMs > 0) await sleep(delayMs);
      const { success, data, error } = requestSchema.safeParse(JSON.parse(body.toString()));
      if (success) sendJson(response, 200, complete(data));
      else response.writeHead(400).end(String(error));
    },
    await findFreePort(),
  );
  return {
    env: {
      THREADKEEP_MODEL: `openai-compatible/${NAME}`,
      THREADKEEP_MODEL_BASE_URL: `${url}/v1`,
    },
    close,
  };
}

function complete({ messages }: z.infer<typeof requestSchema>): unknown {
  const content = quoteTranscript(messages.at(-1)?.content ?? "");
  return {
    id: "1",
    object: "chat.completion",
    created: 1,
    model: NAME,
    choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
    usage: USAGE,
  };
}
