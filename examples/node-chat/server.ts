// A chat back end: it serves the page, calls the model, and keeps the key. `npm run example -- node-chat` starts it.
// The model can be any server with Chat Completions: set MODEL_BASE_URL, MODEL and MODEL_KEY. Without one it repeats the question.
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import OpenAI from "openai";
import { createClient, type Session, ThreadkeepError } from "threadkeep-client";
import { answer } from "./answer.ts";

const {
  THREADKEEP_URL = "",
  THREADKEEP_API_KEY = "",
  MODEL_BASE_URL,
  MODEL = "llama3.1",
  MODEL_KEY = "none",
} = process.env;
const MAX_BODY_BYTES = 64 * 1024;
const SHOWN_MESSAGES = 100;

// Your own login says who is asking; here it is always the same person.
const threadkeep = createClient({ url: THREADKEEP_URL, key: THREADKEEP_API_KEY, user: "somebody" });
const openai = MODEL_BASE_URL === undefined ? null : new OpenAI({ baseURL: MODEL_BASE_URL, apiKey: MODEL_KEY });
const page = readFileSync(new URL("page.html", import.meta.url));

const server = createServer((request, response) => {
  const abort = new AbortController();
  response.on("close", () => abort.abort());
  respond(request, abort.signal).then(
    ({ type, body }) => response.writeHead(200, { "Content-Type": type }).end(body),
    (error: unknown) => {
      const { status, body } = refusalOf(error);
      response.writeHead(status, { "Content-Type": "application/json" }).end(body);
    },
  );
});

interface Answer {
  readonly type: string;
  readonly body: string | Buffer;
}

/** `GET /`, `GET /chats/ID`, `POST /chats/ID {"text"}`, `POST /chats/ID/ticket`. */
async function respond(request: IncomingMessage, signal: AbortSignal): Promise<Answer> {
  // The page itself reads the query string, which names the chat.
  const route = `${request.method} ${request.url?.split("?", 1)[0]}`;
  if (route === "GET /") return { type: "text/html; charset=utf-8", body: page };
  const [, method, id = "", rest] = /^(GET|POST) \/chats\/([\w.:-]{1,128})(\/ticket)?$/.exec(route) ?? [];
  if (method === undefined) throw new Refused(404, "There is no such page.");
  const session = threadkeep.session(id);
  if (rest !== undefined) {
    // Two windows may be open before anything is said, so there must be a session to follow. Creating it again changes nothing.
    await threadkeep.create({ id }, { signal });
    const { ticket } = await session.ticket({ scopes: ["memory:read"] }, { signal });
    const url = new URL(`/v1/sessions/${id}/live`, THREADKEEP_URL.replace(/^http/, "ws"));
    return json({ url, ticket });
  }
  if (method === "GET") return json(await readChat(session, signal));
  const text = await readText(request);
  return json({ answer: openai === null ? await repeat(session, text) : await answer(openai, MODEL, session, text) });
}

/** What the person sees of the chat: its newest messages, including those that a summary covers. */
async function readChat(session: Session, signal: AbortSignal): Promise<unknown> {
  try {
    const { headSeq } = await session.state({ signal });
    const afterSeq = Math.max(0, headSeq - SHOWN_MESSAGES);
    const { data } = await session.messages({ afterSeq, branch: "active", limit: SHOWN_MESSAGES, signal }).page();
    return { messages: data.map(({ id, seq, role, content }) => ({ id, seq, role, content })) };
  } catch (error) {
    if (error instanceof ThreadkeepError && error.code === "session_not_found") return { messages: [] };
    throw error;
  }
}

/** Stands in for a model. */
async function repeat(session: Session, text: string): Promise<string> {
  const { context } = await session.append(text, { context: { format: "openai-chat" } });
  const answered = `You said “${text}”. I have ${context.messages.length} messages in mind.`;
  await session.append({ role: "assistant", content: answered });
  return answered;
}

async function readText(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request) {
    body += String(chunk);
    if (body.length > MAX_BODY_BYTES) throw new Refused(413, "That is too long for a chat.");
  }
  const text: unknown = parse(body)?.["text"];
  if (typeof text !== "string" || text.trim() === "") throw new Refused(422, 'Send {"text": "Hello"}.');
  return text;
}

function parse(body: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? { ...value } : null;
  } catch {
    throw new Refused(400, "The body is no JSON.");
  }
}

function json(value: unknown): Answer {
  return { type: "application/json", body: JSON.stringify(value) };
}

class Refused extends Error {
  readonly status: number;
  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

function refusalOf(error: unknown): { status: number; body: string } {
  if (error instanceof Refused) return { status: error.status, body: JSON.stringify({ detail: error.message }) };
  // The cause of an internal error belongs in the log, not on the page.
  console.error(error);
  return { status: 502, body: JSON.stringify({ detail: "The chat is out of order. Try again." }) };
}

server.listen(Number(process.env["PORT"] ?? 0), "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object" && address !== null) console.log(`The chat is at http://127.0.0.1:${address.port}/`);
});
