// A stand-in for a model that answers at once, on loopback: it speaks the wire format of OpenAI's chat completions, so that the
// whole way to a model and back is in what is measured, and no model is.
import { createServer, type IncomingMessage } from "node:http";
import { z } from "zod";
import { findFreePort, LOOPBACK } from "../dev/ports.ts";
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

export async function startInstantModel(): Promise<InstantModel> {
  const server = createServer((request, response) => {
    complete(request)
      .then((body) => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body)))
      .catch((error: unknown) => response.writeHead(400).end(String(error)));
  });
  const port = await findFreePort();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, LOOPBACK, resolve);
  });
  return {
    env: {
      THREADKEEP_MODEL: `openai-compatible/${NAME}`,
      THREADKEEP_MODEL_BASE_URL: `http://${LOOPBACK}:${port}/v1`,
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function complete(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { messages } = requestSchema.parse(JSON.parse(Buffer.concat(chunks).toString()));
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
