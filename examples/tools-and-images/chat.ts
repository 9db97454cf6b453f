// A question with a picture, answered with the help of a tool: `npm run example -- tools-and-images [PICTURE.png] [QUESTION]`.
// The model can be any server with Chat Completions that sees pictures and calls tools: set MODEL_BASE_URL, MODEL and MODEL_KEY. Without one, a stand-in
// calls the tool and repeats its result.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import OpenAI from "openai";
import { createClient, type Session } from "threadkeep-client";

const {
  THREADKEEP_URL = "",
  THREADKEEP_API_KEY = "",
  MODEL_BASE_URL,
  MODEL = "llama3.2-vision",
  MODEL_KEY = "none",
} = process.env;
/** The default picture, of a single dot. */
const dot = fileURLToPath(new URL("dot.png", import.meta.url));
const [picture = dot, question = "Which tram is this, and when does the next one leave?"] = process.argv.slice(2);
/** A model that needs more rounds with one tool is going in circles. */
const MAX_ROUNDS = 4;
type Messages = OpenAI.ChatCompletionMessageParam[];
type Answer = OpenAI.ChatCompletionMessage;

const tools: OpenAI.ChatCompletionTool[] = [
  {
    type: "function",
    function: {
      name: "next_departure",
      description: "When the next tram of a line leaves",
      parameters: { type: "object", properties: { line: { type: "integer" } }, required: ["line"] },
    },
  },
];

/** Your own tool. Its input comes from a model, and may be anything. */
function nextDeparture(input: string): string {
  const { line } = JSON.parse(input) as { line?: unknown };
  return typeof line === "number" ? `Line ${line} leaves in four minutes.` : "There is no such line.";
}

const openai = MODEL_BASE_URL === undefined ? null : new OpenAI({ baseURL: MODEL_BASE_URL, apiKey: MODEL_KEY });

async function complete(messages: Messages): Promise<Answer> {
  if (openai === null) return standIn(messages);
  const { choices } = await openai.chat.completions.create({ model: MODEL, messages, tools });
  const [choice] = choices;
  if (choice === undefined) throw new Error("The model gave no answer.");
  return choice.message;
}

/** Appends the latest messages, and returns the context for the model. */
async function prompt(session: Session, said: Messages | Answer): Promise<Messages> {
  const request = { format: "openai-chat", context: { format: "openai-chat" } } as const;
  return (await session.append(said, request)).context.messages;
}

async function answer(session: Session, asked: Messages): Promise<string> {
  let messages = await prompt(session, asked);
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const answered = await complete(messages);
    // Unchanged, as the SDK returns it, including tool calls.
    await session.append(answered, { format: "openai-chat" });
    const calls = answered.tool_calls ?? [];
    if (calls.length === 0) return answered.content ?? "";
    messages = await prompt(
      session,
      calls.map((call) => {
        const content = call.type === "function" ? nextDeparture(call.function.arguments) : "There is no such tool.";
        console.log(`  (the tool says: ${content})`);
        return { role: "tool", tool_call_id: call.id, content };
      }),
    );
  }
  return "I could not find that out.";
}

/** A stand-in for a model, which ignores the picture and calls the tool once for each question. */
function standIn(messages: Messages): Answer {
  const last = messages.at(-1);
  const base = { role: "assistant", refusal: null } as const;
  if (last?.role === "tool") return { ...base, content: `I see your picture. ${String(last.content)}` };
  const call = { name: "next_departure", arguments: '{"line": 28}' };
  return { ...base, content: null, tool_calls: [{ id: crypto.randomUUID(), type: "function", function: call }] };
}

const session = createClient({ url: THREADKEEP_URL, key: THREADKEEP_API_KEY, user: "somebody" }).session(
  process.env["SESSION"] ?? "tools-and-images-example",
);
const data = readFileSync(picture).toString("base64");
const asked: Messages = [
  {
    role: "user",
    content: [
      { type: "text", text: question },
      { type: "image_url", image_url: { url: `data:image/png;base64,${data}` } },
    ],
  },
];
console.log(`You: ${question} [picture]`);
console.log(await answer(session, asked));
