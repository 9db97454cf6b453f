// A stand-in for a model on loopback, which answers at once or after a given delay. It speaks the wire format of OpenAI's chat
// completions, so that the measured time includes the whole path to a model and back, but no model.
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { sendJson, serveOnLoopback } from "../../scripts/dev/loopback-server.ts";
import { findFreePort } from "../../scripts/dev/ports.ts";
import { quoteTranscript } from "./quote-transcript.ts";

export interface InstantModel {
  /** Variables that make a service use it. */
  readonly env: Record<string, string>;
  close(): Promise<void>;
}

const NAME = "instant";
/** Plausible token counts, for whatever records usage. Nobody is charged. */
const USAGE = { prompt_tokens: 1_000, completion_tokens: 100, total_tokens: 1_100 };

const requestSchema = z.object({ messages: z.array(z.object({ role: z.string(), content: z.string() })).min(1) });

/** @param delayMs time from a request to its answer */
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
