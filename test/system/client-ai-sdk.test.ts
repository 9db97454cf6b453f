import {
  dynamicTool,
  isStepCount,
  simulateReadableStream,
  streamText,
  tool,
  type ToolSet,
  type UIMessage,
  validateUIMessages,
} from "ai";
import { MockLanguageModelV4 } from "ai/test";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { threadkeep, type Memory } from "../../client/src/ai-sdk/memory.ts";
import { createClient, type Session } from "../../client/src/index.ts";
import { aiSdkFaults, anthropicFaults, openaiChatFaults, responsesFaults } from "../support/prompt-validators.ts";
import { sharedService } from "../support/service.ts";

const service = sharedService();
// Names as identity providers have them: none of them can be sent in a header as it is.
const USER = "auth0|Jürgen Müller/1@example.com";
const client = createClient({ url: service.url, key: service.apiKey, user: USER });

type StreamPart =
  Awaited<ReturnType<MockLanguageModelV4["doStream"]>>["stream"] extends ReadableStream<infer P> ? P : never;
type Prompt = MockLanguageModelV4["doStreamCalls"][number]["prompt"];

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 1, text: 1, reasoning: 0 },
};
const finish = (reason: "stop" | "tool-calls"): StreamPart => ({
  type: "finish",
  usage,
  finishReason: { unified: reason, raw: reason },
});
const text = (...pieces: string[]): StreamPart[] => [
  { type: "text-start", id: "t" },
  ...pieces.map((delta): StreamPart => ({ type: "text-delta", id: "t", delta })),
  { type: "text-end", id: "t" },
];
const toolCall = (toolName: string, input: object): StreamPart[] => [
  { type: "tool-call", toolCallId: `call-${toolName}`, toolName, input: JSON.stringify(input) },
];

/** A model of the real framework that says what a test wrote for it, one stream for each call. */
function scripted(...streams: StreamPart[][]): MockLanguageModelV4 {
  let at = 0;
  return new MockLanguageModelV4({
    doStream: async () => {
      const chunks = streams[at] ?? text("nothing more is scripted");
      at += 1;
      return { stream: simulateReadableStream({ chunks: [{ type: "stream-start", warnings: [] }, ...chunks] }) };
    },
  });
}

const user = (id: string, words: string): UIMessage => ({ id, role: "user", parts: [{ type: "text", text: words }] });

function newChat(): { session: Session; memory: () => Memory } {
  const sessionId = `ai-${crypto.randomUUID()}`;
  return { session: client.session(sessionId), memory: () => threadkeep({ client, sessionId }) };
}

/** Does what `useChat` does with one request: it sends its messages, and has the answer when the stream ends. */
async function ask(
  memory: Memory,
  messages: UIMessage[],
  model: MockLanguageModelV4,
  options: Partial<Parameters<typeof streamText>[0]> & { ownIds?: boolean; whileStreaming?: () => void } = {},
): Promise<UIMessage[]> {
  const { ownIds = false, whileStreaming, ...settings } = options;
  const prepared = await memory.prepare(messages);
  const result = streamText({ model, ...prepared, onFinish: memory.onFinish, ...settings } as Parameters<
    typeof streamText
  >[0]);
  let finished: UIMessage[] = [];
  const stream = result.toUIMessageStream({
    originalMessages: messages,
    ...(ownIds ? { generateMessageId: () => crypto.randomUUID() } : { generateMessageId: memory.messageId }),
    onEnd: (event) => {
      finished = event.messages;
    },
  });
  for await (const part of stream) if (part.type === "text-delta") whileStreaming?.();
  return finished;
}

const stored = async (session: Session): Promise<[string, unknown][]> => {
  const log: [string, unknown][] = [];
  for await (const { role, content } of session.messages()) log.push([role, content]);
  return log;
};
const promptOf = (model: MockLanguageModelV4, call = 0): Prompt => model.doStreamCalls[call]?.prompt ?? [];
const said = (prompt: Prompt): [string, unknown][] =>
  prompt.map(({ role, content }) => [
    role,
    typeof content === "string" ? content : content.map((part) => ("text" in part ? part.text : part.type)).join(" "),
  ]);

describe("the memory of a chat with the AI SDK", () => {
  it.each([
    ["the session's own ids", false],
    ["ids that the page made up", true],
  ])("appends each message once, turn after turn, with %s for the answers", async (_, ownIds) => {
    const { session, memory } = newChat();
    let chat = await ask(
      memory(),
      [user("u1", "Is Baixa flat?")],
      scripted([...text("Yes, ", "it is."), finish("stop")]),
      { ownIds },
    );
    const model = scripted([...text("By train."), finish("stop")]);
    chat = await ask(memory(), [...chat, user("u2", "How do I get there?")], model, { ownIds });
    expect(said(promptOf(model))).toEqual([
      ["user", "Is Baixa flat?"],
      ["assistant", "Yes, it is."],
      ["user", "How do I get there?"],
    ]);
    expect(await stored(session)).toEqual([
      ["user", "Is Baixa flat?"],
      ["assistant", "Yes, it is."],
      ["user", "How do I get there?"],
      ["assistant", "By train."],
    ]);
    await memory().prepare(chat);
    expect(await stored(session)).toHaveLength(4);
  });

  it("stores a chat whose beginning it has not seen, in its order", async () => {
    const { session, memory } = newChat();
    const old: UIMessage[] = Array.from({ length: 230 }, (_, index) => ({
      id: `old-${index}`,
      role: index % 2 === 0 ? "user" : "assistant",
      parts: [{ type: "text", text: `Turn ${index}` }],
    }));
    await memory().prepare([...old, user("u1", "And now?")]);
    const log = await stored(session);
    expect(log).toHaveLength(231);
    expect([log[0], log[229], log[230]]).toEqual([
      ["user", "Turn 0"],
      ["assistant", "Turn 229"],
      ["user", "And now?"],
    ]);
  });

  describe("of a long session", () => {
    const turn = (at: number): { id: string; role: "user" | "assistant"; content: string } => ({
      id: `turn-${at}`,
      role: at % 2 === 0 ? "user" : "assistant",
      content: `Turn ${at}`,
    });
    const shown = (at: number): UIMessage => ({
      id: turn(at).id,
      role: turn(at).role,
      parts: [{ type: "text", text: turn(at).content }],
    });
    const range = <T>(from: number, to: number, make: (at: number) => T): T[] =>
      Array.from({ length: to - from }, (_, index) => make(from + index));

    /** A chat with this many turns, and the messages that a page sends after them. */
    async function longChat(length: number): Promise<{ session: Session; sent: string[]; memory: () => Memory }> {
      const sessionId = `ai-${crypto.randomUUID()}`;
      const session = client.session(sessionId);
      for (let from = 0; from < length; from += 100)
        await session.append(range(from, Math.min(length, from + 100), turn));
      const sent: string[] = [];
      const counting = createClient({
        url: service.url,
        key: service.apiKey,
        user: USER,
        fetch: (url, init) => {
          sent.push(`${init.method} ${new URL(url).pathname.split("/").slice(4).join("/")}`);
          return fetch(url, init);
        },
      });
      return { session, sent, memory: () => threadkeep({ client: counting, sessionId }) };
    }

    it("makes as few requests as in a short session if the page sends only its newest message", async () => {
      for (const length of [30, 330]) {
        const { session, sent, memory } = await longChat(length);
        const { messages } = await memory().prepare([user("u1", "And now?")]);
        expect(sent).toEqual(["GET messages/u1", "POST messages", "POST context"]);
        expect(messages.at(-1)).toEqual({ role: "user", content: "And now?" });
        expect((await session.state()).headSeq).toBe(length + 1);
        // It is recognized when it is sent again, as after a lost answer.
        await memory().prepare([user("u1", "And now?")]);
        expect((await session.state()).headSeq).toBe(length + 1);
      }
    });

    it("stores a chat that has nothing in common with the session, in few requests", async () => {
      const { session, sent, memory } = await longChat(150);
      const other = range(0, 240, (at): UIMessage => ({ ...shown(at), id: `other-${at}` }));
      await memory().prepare(other);
      expect(sent.length).toBeLessThan(16);
      const log = await stored(session);
      expect([log.length, log[149], log[150], log[389]]).toEqual([
        390,
        ["assistant", "Turn 149"],
        ["user", "Turn 0"],
        ["assistant", "Turn 239"],
      ]);
    });

    it("finds the message at which an old page stopped, far back, and continues from it", async () => {
      const { session, sent, memory } = await longChat(330);
      // It ends with a question that was answered long ago. The question is answered again, with no later message in the context.
      const again = await memory().prepare(range(0, 101, shown));
      expect(again.messages.at(-1)).toEqual({ role: "user", content: "Turn 100" });
      // It has two questions that no other page has seen.
      await memory().prepare([...range(0, 102, shown), user("new-1", "First?"), user("new-2", "Second?")]);
      expect(sent.length).toBeLessThan(20);
      expect((await stored(session)).slice(330)).toEqual([
        ["user", "First?"],
        ["user", "Second?"],
      ]);
    });

    it("is shown in order, however many of its messages are requested", async () => {
      const { sent, memory } = await longChat(330);
      for (const limit of [250, 100, 1]) {
        expect(await memory().history({ limit })).toEqual(range(330 - limit, 330, shown));
      }
      expect(await memory().history({ limit: 1_000 })).toEqual(range(0, 330, shown));
      expect(await memory().history({ limit: 0 })).toEqual([]);
      expect(sent).toHaveLength(3 + 1 + 1 + 4);
    });
  });

  const weather = tool({ inputSchema: z.object({ city: z.string() }), execute: async () => ({ degrees: 21 }) });

  it("stores a tool loop as one answer, which the log, the page and the next prompt show whole", async () => {
    const { session, memory } = newChat();
    const first = scripted(
      [...text("I look."), ...toolCall("weather", { city: "Lisbon" }), finish("tool-calls")],
      [...text("21 degrees."), finish("stop")],
    );
    const chat = await ask(memory(), [user("u1", "How warm is Lisbon?")], first, {
      tools: { weather },
      stopWhen: isStepCount(3),
    });
    expect((await stored(session))[1]).toEqual([
      "assistant",
      [
        { type: "text", text: "I look." },
        { type: "tool-call", toolCallId: "call-weather", toolName: "weather", input: { city: "Lisbon" } },
        {
          type: "tool-result",
          toolCallId: "call-weather",
          toolName: "weather",
          output: { type: "json", value: { degrees: 21 } },
        },
        { type: "text", text: "21 degrees." },
      ],
    ]);
    const second = scripted([...text("Yes."), finish("stop")]);
    await ask(memory(), [...chat, user("u2", "Is that warm?")], second);
    expect(promptOf(second).map(({ role }) => role)).toEqual(["user", "assistant", "tool", "assistant", "user"]);

    const shown = await memory().history();
    expect(shown[1]).toMatchObject({
      id: chat[1]?.id,
      role: "assistant",
      parts: [
        { type: "text", text: "I look." },
        { type: "tool-weather", state: "output-available", input: { city: "Lisbon" }, output: { degrees: 21 } },
        { type: "step-start" },
        { type: "text", text: "21 degrees." },
      ],
    });
    await memory().prepare([...shown, user("u3", "Thanks.")]);
    expect(await stored(session)).toHaveLength(5);
  });

  it.each([
    ["lets it run: it runs once, and the model sees its result", true, ["booked"], "output-available"],
    ["forbids it: it never runs, and the model is told so", false, ["denied"], "output-denied"],
  ] as const)("asks for a tool again after a reload, and the user %s", async (_, approved, told, state) => {
    const { session, memory } = newChat();
    let runs = 0;
    const book = tool({
      inputSchema: z.object({ nights: z.number() }),
      needsApproval: true,
      execute: async () => {
        runs += 1;
        return "booked";
      },
    });
    const options = { tools: { book }, stopWhen: isStepCount(3) };
    const first = scripted([...toolCall("book", { nights: 4 }), finish("tool-calls")]);
    await ask(memory(), [user("u1", "Book four nights.")], first, options);
    const shown = await memory().history();
    expect(shown[1]?.parts).toMatchObject([{ type: "tool-book", state: "approval-requested" }]);
    // As the page's addToolApprovalResponse makes it.
    const answered = shown.map((message) => ({
      ...message,
      parts: message.parts.map((part) =>
        part.type === "tool-book" && "approval" in part
          ? { ...part, state: "approval-responded", approval: { ...part.approval, approved } }
          : part,
      ),
    })) as UIMessage[];
    const second = scripted([...text("Done."), finish("stop")]);
    await ask(memory(), answered, second, options);
    expect(runs).toBe(approved ? 1 : 0);
    expect(JSON.stringify(promptOf(second))).toContain(told[0]);
    expect((await stored(session)).length).toBe(2);
    const [, answer] = await memory().history();
    expect(answer?.parts).toMatchObject([
      { type: "tool-book", state, approval: { approved } },
      { type: "step-start" },
      { text: "Done." },
    ]);
    await ask(
      memory(),
      [...(await memory().history()), user("u3", "Thanks.")],
      scripted([...text("Bye."), finish("stop")]),
      options,
    );
    expect(runs).toBe(approved ? 1 : 0);
  });

  it("continues an answer that waits for the page's own tool, in the same message", async () => {
    const { session, memory } = newChat();
    const tools = { confirm: tool({ inputSchema: z.object({ price: z.number() }), outputSchema: z.string() }) };
    const first = scripted([...toolCall("confirm", { price: 160 }), finish("tool-calls")]);
    const chat = await ask(memory(), [user("u1", "Book it.")], first, { tools });
    const waiting = chat[1];
    if (waiting === undefined) throw new Error("there is no answer");
    const parts = waiting.parts.map((part) =>
      part.type === "tool-confirm" ? { ...part, state: "output-available", output: "yes" } : part,
    ) as UIMessage["parts"];
    const model = scripted([...text("Booked."), finish("stop")]);
    await ask(memory(), [user("u1", "Book it."), { ...waiting, parts }], model, { tools });
    expect(promptOf(model).map(({ role }) => role)).toEqual(["user", "assistant", "tool"]);
    expect(await stored(session)).toEqual([
      ["user", "Book it."],
      [
        "assistant",
        [
          { type: "tool-call", toolCallId: "call-confirm", toolName: "confirm", input: { price: 160 } },
          {
            type: "tool-result",
            toolCallId: "call-confirm",
            toolName: "confirm",
            output: { type: "text", value: "yes" },
          },
          { type: "text", text: "Booked." },
        ],
      ],
    ]);
  });

  /** The next question in every format, and how often each call occurs in it. */
  async function faultsOfNextPrompt(session: Session): Promise<string[]> {
    await session.append("And now?");
    const anthropic = await session.context({ format: "anthropic" });
    const responses = await session.context({ format: "openai-responses" });
    return [
      ...openaiChatFaults((await session.context({ format: "openai-chat" })).messages),
      ...responsesFaults(responses.input),
      ...anthropicFaults(anthropic),
      ...aiSdkFaults(await session.context({ format: "ai-sdk" })),
    ];
  }

  const ran = { providerExecuted: true };
  const search = { type: "tool-call", toolCallId: "srv_1", toolName: "web_search", input: '{"query":"tram"}' } as const;
  const found = { type: "tool-result", toolCallId: "srv_1", toolName: "web_search", result: { at: 9 } } as const;
  const providerTool = tool({
    type: "provider",
    id: "anthropic.web_search",
    isProviderExecuted: true,
    args: {},
    inputSchema: z.object({ query: z.string() }),
    outputSchema: z.object({ at: z.number() }),
  });
  const photo = tool({
    inputSchema: z.object({ of: z.string() }),
    outputSchema: z.object({ png: z.string() }),
    execute: async () => ({ png: "iVBORw0KGgo=" }),
    toModelOutput: ({ output }) => ({
      type: "content",
      value: [{ type: "file", mediaType: "image/png", data: { type: "data", data: output.png } }],
    }),
  });
  const drawn = { mediaType: "image/png", data: { type: "data", data: "iVBORw0KGgo=" } } as const;

  it.each<[string, ToolSet, StreamPart[]]>([
    [
      "a tool that nobody knew when the application was built",
      { find: dynamicTool({ inputSchema: z.object({ q: z.string() }), execute: async () => ({ found: 1 }) }) },
      toolCall("find", { q: "x" }),
    ],
    [
      "a tool that the provider ran",
      { web_search: providerTool },
      [
        { ...search, ...ran },
        { ...found, ...ran },
      ],
    ],
    [
      "a tool of a provider's own MCP server",
      {},
      [
        { ...search, ...ran, dynamic: true },
        { ...found, ...ran, dynamic: true },
      ],
    ],
    [
      "a provider's tool that failed",
      { web_search: providerTool },
      [
        { ...search, ...ran },
        { ...found, ...ran, isError: true },
      ],
    ],
    ["a tool that shows the page something else than the model", { photo }, toolCall("photo", { of: "Baixa" })],
    [
      "a file, and what only its provider understands",
      {},
      [
        { type: "file", ...drawn },
        { type: "custom", kind: "openai.compaction", providerMetadata: { openai: { id: "c1" } } },
        { type: "reasoning-file", ...drawn },
      ],
    ],
  ])("shows after a reload what the page has shown: %s", async (_, tools, chunks) => {
    const { session, memory } = newChat();
    const isLocal = chunks.some((part) => part.type === "tool-call" && part.providerExecuted !== true);
    const streams = isLocal
      ? [
          [...chunks, finish("tool-calls")],
          [...text("There."), finish("stop")],
        ]
      : [[...chunks, ...text("There."), finish("stop")]];
    const shown = await ask(memory(), [user("u1", "Look.")], scripted(...streams), { tools, stopWhen: isStepCount(3) });
    const again = await memory().history();
    const plain = (message: UIMessage | undefined): unknown[] =>
      (message?.parts ?? []).flatMap((part, at) =>
        at === 0 && part.type === "step-start" ? [] : [part.type === "text" ? { ...part, state: undefined } : part],
      );
    expect(plain(again[1])).toEqual(plain(shown[1]));
    const checked = { messages: structuredClone(again), tools } as Parameters<typeof validateUIMessages>[0];
    await expect(validateUIMessages(checked)).resolves.toHaveLength(2);
    await memory().prepare(again);
    expect((await stored(session)).length).toBe(2);
    expect(await faultsOfNextPrompt(session)).toEqual([]);
  });

  it("keeps parallel calls in one step, after their reasoning, when the page answers one of them", async () => {
    const { session, memory } = newChat();
    const confirm = tool({ inputSchema: z.object({ price: z.number() }), outputSchema: z.string() });
    const tools = { confirm, photo };
    const providerMetadata = { anthropic: { signature: "SIG" } };
    const first = scripted([
      { type: "reasoning-start", id: "r", providerMetadata },
      { type: "reasoning-delta", id: "r", delta: "Both." },
      { type: "reasoning-end", id: "r", providerMetadata },
      ...toolCall("confirm", { price: 160 }),
      ...text("And a photo."),
      ...toolCall("photo", { of: "Baixa" }),
      finish("tool-calls"),
    ]);
    await ask(memory(), [user("u1", "Book it, and show me.")], first, { tools });
    const answered = (await memory().history()).map((message) => ({
      ...message,
      parts: message.parts.map((part) =>
        part.type === "tool-confirm" ? { ...part, state: "output-available", output: "yes" } : part,
      ),
    })) as UIMessage[];
    const second = scripted([...text("Booked."), finish("stop")]);
    const shown = await ask(memory(), answered, second, { tools });
    expect(
      promptOf(second).map(({ role, content }) => [role, (content as { type: string }[]).map(({ type }) => type)]),
    ).toEqual([
      ["user", ["text"]],
      ["assistant", ["reasoning", "text", "tool-call", "tool-call"]],
      ["tool", ["tool-result", "tool-result"]],
    ]);
    const again = await memory().history();
    expect(again[1]?.parts.map(({ type }) => type)).toEqual(shown[1]?.parts.map(({ type }) => type));
    expect(again[1]?.parts).toContainEqual(
      expect.objectContaining({ type: "tool-photo", output: { png: "iVBORw0KGgo=" } }),
    );
    const { messages } = await session.context({ format: "anthropic", toolFiles: "sent" });
    expect(JSON.stringify(messages)).toContain('"image"');
    expect(await faultsOfNextPrompt(session)).toEqual([]);
  });

  it("recognizes another framework's question that it shows, when the page asks it again", async () => {
    const { session, memory } = newChat();
    await session.append([
      { role: "user", content: [{ type: "text", text: "Is Baixa flat?" }] },
      { role: "assistant", content: "Yes." },
      {
        role: "user",
        content: [
          { type: "text", text: "And this?" },
          { type: "file", mediaType: "image/png", data: "iVBORw0KGgo=" },
        ],
      },
      { role: "assistant", content: "No." },
    ]);
    const shown = await memory().history();
    expect(shown[2]?.parts[1]).toMatchObject({ type: "file", url: "data:image/png;base64,iVBORw0KGgo=" });
    for (const asked of [shown.slice(0, 3), shown.slice(0, 1)]) {
      await memory().prepare(asked);
      expect(await stored(session)).toHaveLength(4);
    }
  });

  it("stores nothing of an aborted stream until the next turn brings what the user saw of it", async () => {
    const { session, memory } = newChat();
    const abort = new AbortController();
    const model = scripted([...text("One, ", "two, ", "three."), finish("stop")]);
    const chat = await ask(memory(), [user("u1", "Count.")], model, {
      abortSignal: abort.signal,
      whileStreaming: () => abort.abort(),
    });
    expect(await stored(session)).toEqual([["user", "Count."]]);
    const seen = chat[1]?.parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("");
    expect(seen).toMatch(/^One, /);
    const next = scripted([...text("Four."), finish("stop")]);
    await ask(memory(), [...chat, user("u2", "Go on.")], next);
    expect(await stored(session)).toEqual([
      ["user", "Count."],
      ["assistant", seen],
      ["user", "Go on."],
      ["assistant", "Four."],
    ]);
  });

  it("stores nothing of a failed stream", async () => {
    const { session, memory } = newChat();
    const model = scripted([...text("One, ").slice(0, 2), { type: "error", error: new Error("overloaded") }]);
    await ask(memory(), [user("u1", "Count.")], model, { onError: () => undefined });
    expect(await stored(session)).toEqual([["user", "Count."]]);
  });

  it("regenerates an answer from its question, not from the answer that is replaced", async () => {
    const { memory } = newChat();
    await ask(memory(), [user("u1", "A name?")], scripted([...text("Ada."), finish("stop")]));
    const again = scripted([...text("Grace."), finish("stop")]);
    await ask(memory(), [user("u1", "A name?")], again);
    expect(said(promptOf(again))).toEqual([["user", "A name?"]]);
  });

  it("answers a question as the page shows it, however often it was changed and changed back", async () => {
    const { session, memory } = newChat();
    const asked = ["To Belem?", "To the castle?", "To the beach?", "To the castle?", "To Belem?"];
    for (const [at, question] of asked.entries()) {
      const model = scripted([...text(`Answer ${at}.`), finish("stop")]);
      await ask(memory(), [user("u1", question)], model);
      expect(said(promptOf(model))).toEqual([["user", question]]);
    }
    // Each version of the question is there once, and so is each answer.
    expect((await stored(session)).map(([, content]) => content).toSorted()).toEqual(
      [...new Set(asked), ...asked.map((_, at) => `Answer ${at}.`)].toSorted(),
    );
    const shown = await memory().history();
    expect(shown.map(({ parts }) => parts)).toEqual([
      [{ type: "text", text: "To Belem?" }],
      [{ type: "text", text: "Answer 4." }],
    ]);
    expect(shown[0]?.metadata).toMatchObject({
      threadkeep: { seq: 1, siblings: [{ seq: 1 }, { seq: 3 }, { seq: 5 }] },
    });
    const next = scripted([...text("By tram."), finish("stop")]);
    const chat = await ask(memory(), [...shown, user("u2", "How?")], next);
    expect(said(promptOf(next))).toEqual([
      ["user", "To Belem?"],
      ["assistant", "Answer 4."],
      ["user", "How?"],
    ]);
    // If a page sends back exactly what it was shown, nothing is changed.
    await ask(memory(), [...chat, user("u3", "When?")], scripted([...text("At nine."), finish("stop")]));
    const log = await session.messages({ branch: "active" }).page();
    expect(log.data.map(({ metadata }) => metadata)).toEqual(log.data.map(() => undefined));
    expect(log.data).toHaveLength(6);
  });

  it("shows an earlier answer again, and continues from it", async () => {
    const { session, memory } = newChat();
    await ask(memory(), [user("u1", "A name?")], scripted([...text("Ada."), finish("stop")]));
    await ask(memory(), [user("u1", "A name?")], scripted([...text("Grace."), finish("stop")]));
    const [, answer] = (await session.messages({ branch: "active" }).page()).data;
    await session.branch({ headSeq: answer?.siblings?.[0]?.headSeq ?? 0 });
    const model = scripted([...text("She wrote programs."), finish("stop")]);
    await ask(memory(), [...(await memory().history()), user("u2", "Who is that?")], model);
    expect(said(promptOf(model)).slice(0, 2)).toEqual([
      ["user", "A name?"],
      ["assistant", "Ada."],
    ]);
  });

  it("returns every part of a UIMessage unchanged", async () => {
    const { memory } = newChat();
    const parts: UIMessage["parts"] = [
      { type: "reasoning", text: "hm", providerMetadata: { p: { signature: "s" } } },
      { type: "text", text: "See:" },
      { type: "file", mediaType: "image/png", url: "https://example.com/a.png", filename: "a.png" },
      { type: "source-url", sourceId: "1", url: "https://example.com", title: "Example" },
      { type: "data-chart", id: "d", data: { points: [1, 2] } },
      { type: "tool-find", toolCallId: "f1", state: "output-error", input: { q: "x" }, errorText: "not found" },
      { type: "step-start" },
      { type: "text", text: "Done." },
    ];
    const chat: UIMessage[] = [
      { id: "u1", role: "user", parts: [{ type: "text", text: "Hello 👋🏽" }], metadata: { locale: "pt" } },
      { id: "a1", role: "assistant", parts },
    ];
    await memory().prepare([...chat, user("u2", "Thanks.")]);
    expect(await memory().history()).toEqual([...chat, user("u2", "Thanks.")]);
  });

  it("puts the instructions first in the prompt, and accepts ids that are invalid as our ids", async () => {
    const { session } = newChat();
    const memory = threadkeep({ client, sessionId: session.id, instructions: "Be brief." });
    const chat = [user("msg/1 – é", "Hello")];
    expect(await memory.prepare(chat)).toEqual({
      instructions: "Be brief.",
      messages: [{ role: "user", content: "Hello" }],
    });
    await memory.prepare(chat);
    expect(await stored(session)).toEqual([["user", "Hello"]]);
  });
});
