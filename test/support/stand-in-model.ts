import type { IncomingMessage, ServerResponse } from "node:http";
import { headersOf, sendJson, serveOnLoopback } from "../../scripts/dev/loopback-server.ts";
import { quoteTranscript } from "../../tools/bench/quote-transcript.ts";

/** What the stand-in does with a request. */
export type StandInReply =
  /** `text` is what the model "wrote"; `isCut` means that it ran out of room. */
  | { does: "answer"; text: string; isCut?: boolean; usage?: { input: number; output: number } }
  /** It calls the offered tool whose name ends like this. */
  | { does: "call"; tool: string; input: object }
  /** Items that quote the messages of the prompt: a healthy model. */
  | { does: "quote" }
  /** An error of the provider. Its body quotes the prompt, as some providers do. */
  | { does: "refuse"; status: number; headers?: Record<string, string> }
  /** The same if a JSON schema was requested; otherwise it answers. */
  | { does: "refuse-schema"; text: string }
  /** The first words of a stream that never ends. Only for Chat Completions. */
  | { does: "stall"; text: string }
  /** Accepts the request and never answers. */
  | { does: "hang" }
  /** Half a body, then the connection is cut. */
  | { does: "break-off" };

export interface Script {
  /** In order; the last one repeats for ever. */
  replies: StandInReply[];
  /** The key it accepts; without it any. */
  key?: string;
}

/** A request as the stand-in received it. */
export interface Seen {
  /** When it arrived, in ms since 1970. */
  at: number;
  path: string;
  headers: Record<string, string>;
  body: Record<string, unknown>;
  /** Whether the caller gave up before there was an answer. */
  isAbandoned: boolean;
  /** What became of it; null without a valid key, or if no script was left. */
  does: StandInReply["does"] | null;
}

interface Scripted extends Script {
  requests: Seen[];
  /** How many requests came before this script started. */
  from: number;
}

export interface StandInModel {
  readonly url: string;
  close(): Promise<void>;
}

const TOKENS = { input: 1_000, output: 100 };

/**
 * A stand-in for the providers of language models, on loopback. There is no model in it: it speaks the wire formats of OpenAI's
 * chat completions and Anthropic's messages, answers what a script says, and remembers what it was sent. Tests in workerd steer
 * it by HTTP, too: `PUT /scripts/NAME`, then a model at `/models/NAME`, then `GET /scripts/NAME` for its requests. Another PUT
 * changes what it does from then on.
 */
export async function startStandInModel(): Promise<StandInModel> {
  const scripts = new Map<string, Scripted>();
  const { url, close } = await serveOnLoopback((request, response, body) =>
    serve(scripts, request, response, body.toString()),
  );
  return { url, close };
}

function serve(scripts: Map<string, Scripted>, request: IncomingMessage, response: ServerResponse, body: string): void {
  const [, room = "", name = "", ...rest] = (request.url ?? "").split("/");
  if (room === "scripts" && request.method === "PUT") {
    const requests = scripts.get(name)?.requests ?? [];
    scripts.set(name, { ...(JSON.parse(body) as Script), requests, from: requests.length });
    return sendJson(response, 200, {});
  }
  const script = scripts.get(name);
  if (script === undefined) return sendJson(response, 404, { error: { message: "no such script" } });
  if (room === "scripts") return sendJson(response, 200, script.requests);
  const seen: Seen = {
    at: Date.now(),
    path: rest.join("/"),
    headers: headersOf(request),
    body: JSON.parse(body) as Record<string, unknown>,
    isAbandoned: false,
    does: null,
  };
  script.requests.push(seen);
  response.once("close", () => {
    seen.isAbandoned = !response.writableFinished;
  });
  if (script.key !== undefined && keyOf(seen) !== script.key) return refuse(response, seen, 401);
  const reply = script.replies[Math.min(script.requests.length - script.from, script.replies.length) - 1];
  if (reply === undefined) return;
  seen.does = reply.does;
  answer(response, seen, reply);
}

/** The last turn: the prompt, or what was wrong with the answer to it. */
function lastTextOf({ body }: Seen): string {
  const messages = body["messages"] as { content: string | { text?: string }[] }[];
  const content = messages.at(-1)?.content ?? "";
  return typeof content === "string" ? content : content.map(({ text = "" }) => text).join("");
}

function keyOf({ headers }: Seen): string | undefined {
  return headers["x-api-key"] ?? headers["authorization"]?.replace(/^Bearer /, "");
}

function answer(response: ServerResponse, seen: Seen, reply: StandInReply): void {
  switch (reply.does) {
    case "hang":
      return;
    case "break-off":
      response.writeHead(200, { "content-type": "application/json", "content-length": "4000" });
      response.write('{"id":"1","choices":[{"index":0,"mess', () => response.destroy());
      return;
    case "refuse":
      return refuse(response, seen, reply.status, reply.headers);
    case "refuse-schema": {
      const format = seen.body["response_format"] as { type?: string } | undefined;
      if (format?.type === "json_schema") return refuse(response, seen, 400);
      return sendJson(response, 200, completion(seen, { does: "answer", text: reply.text }));
    }
    case "quote":
      return sendJson(response, 200, completion(seen, { does: "answer", text: quoteTranscript(lastTextOf(seen)) }));
    case "call":
      return isAnthropic(seen)
        ? sendJson(response, 200, toolUse(seen, reply))
        : sendCompletion(response, seen, toolCall(seen, reply));
    case "stall":
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(chunkOf({ role: "assistant", content: reply.text }, null));
      return;
    case "answer":
      return isAnthropic(seen)
        ? sendJson(response, 200, completion(seen, reply))
        : sendCompletion(response, seen, completion(seen, reply));
  }
}

function isAnthropic({ path }: Seen): boolean {
  return path.endsWith("messages");
}

/** As a stream, if one was requested. */
function sendCompletion(response: ServerResponse, seen: Seen, answered: unknown): void {
  if (seen.body["stream"] !== true) return sendJson(response, 200, answered);
  const { choices } = answered as { choices: { message: { tool_calls?: object[] }; finish_reason: string }[] };
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const { message, finish_reason } of choices) {
    const calls = message.tool_calls?.map((call, index) => ({ index, ...call }));
    response.write(chunkOf({ ...message, ...(calls === undefined ? {} : { tool_calls: calls }) }, null));
    response.write(chunkOf({}, finish_reason));
  }
  response.end("data: [DONE]\n\n");
}

function chunkOf(delta: object, finish_reason: string | null): string {
  const choices = [{ index: 0, delta, finish_reason }];
  return `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 1, model: "m", choices })}\n\n`;
}

function refuse(response: ServerResponse, seen: Seen, status: number, headers: Record<string, string> = {}): void {
  const message = `not taken: ${JSON.stringify(seen.body["messages"])}`;
  sendJson(response, status, { type: "error", error: { type: "stand_in", message } }, headers);
}

function completion(seen: Seen, reply: Extract<StandInReply, { does: "answer" }>): unknown {
  const { text, isCut = false, usage = TOKENS } = reply;
  const { model } = seen.body;
  if (isAnthropic(seen)) {
    // Models without native schemas get a tool to answer with.
    const content = offeredNames(seen).includes("json")
      ? { type: "tool_use", id: "t1", name: "json", input: JSON.parse(text) as unknown }
      : { type: "text", text };
    const stopReason = content.type === "tool_use" ? "tool_use" : "end_turn";
    return {
      id: `msg_${crypto.randomUUID()}`,
      type: "message",
      role: "assistant",
      model,
      content: [content],
      stop_reason: isCut ? "max_tokens" : stopReason,
      usage: { input_tokens: usage.input, output_tokens: usage.output },
    };
  }
  return {
    id: "1",
    object: "chat.completion",
    created: 1,
    model,
    choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: isCut ? "length" : "stop" }],
    usage: {
      prompt_tokens: usage.input,
      completion_tokens: usage.output,
      total_tokens: usage.input + usage.output,
    },
  };
}

/** The names of the tools that a request offers, in either wire format. */
function offeredNames({ body }: Seen): string[] {
  const offered = (body["tools"] ?? []) as { name?: string; function?: { name: string } }[];
  return offered.map((entry) => entry.function?.name ?? entry.name ?? "");
}

function calledName(seen: Seen, tool: string): string {
  return offeredNames(seen).find((known) => known.endsWith(tool)) ?? tool;
}

function toolUse(seen: Seen, { tool, input }: Extract<StandInReply, { does: "call" }>): unknown {
  return {
    id: `msg_${crypto.randomUUID()}`,
    type: "message",
    role: "assistant",
    model: seen.body["model"],
    content: [{ type: "tool_use", id: `toolu_${seen.at}`, name: calledName(seen, tool), input }],
    stop_reason: "tool_use",
    usage: { input_tokens: TOKENS.input, output_tokens: TOKENS.output },
  };
}

function toolCall(seen: Seen, { tool, input }: Extract<StandInReply, { does: "call" }>): unknown {
  const { body, at } = seen;
  const name = calledName(seen, tool);
  const call = { id: `call-${at}-${tool}`, type: "function", function: { name, arguments: JSON.stringify(input) } };
  const message = { role: "assistant", content: null, tool_calls: [call] };
  return {
    id: "1",
    object: "chat.completion",
    created: 1,
    model: body["model"],
    choices: [{ index: 0, message, finish_reason: "tool_calls" }],
    usage: {
      prompt_tokens: TOKENS.input,
      completion_tokens: TOKENS.output,
      total_tokens: TOKENS.input + TOKENS.output,
    },
  };
}
