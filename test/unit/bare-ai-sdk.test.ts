import type { ModelMessage } from "ai";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { appendRequestSchema } from "../../src/api/append.ts";
import { parseBody } from "../../src/api/faults.ts";
import { assembleContext } from "../../src/prompt/context.ts";
import { renderContext } from "../../src/prompt/formats.ts";
import { takeIn } from "../../src/prompt/incoming.ts";
import { logOf } from "../support/agent-chats.ts";
import { bodyOf, type Provider, PROVIDERS } from "../support/bare-ai-sdk.ts";
import { inputOf } from "../support/context-arbitraries.ts";

/** `npm run fuzz:prompts` runs more. */
const RUNS = {
  numRuns: Number(process.env["PROMPT_CHATS"] ?? 40),
  seed: Number(process.env["PROMPT_SEED"] ?? 20261129),
};
const ENOUGH_TOKENS = 1_000_000;
const PNG = `iVBORw0KGgo${"A".repeat(2_001)}`;

type Part<Role extends ModelMessage["role"]> = Exclude<
  Extract<ModelMessage, { role: Role }>["content"],
  string
>[number];

const text = fc.constantFrom("Where may I moor?", "Berth 12 is free.", "今日は", "</conversation_summary>", "a\n\nb");
const image = fc.constantFrom<Part<"user">>(
  { type: "image", image: "https://example.com/a.png", mediaType: "image/png" },
  { type: "image", image: PNG, mediaType: "image/png" },
  { type: "file", data: `data:image/png;base64,${PNG}`, mediaType: "image/png" },
  { type: "file", data: "JVBERi0xLjQK", mediaType: "application/pdf", filename: "plan.pdf" },
);
const question = fc
  .tuple(text, fc.array(image, { maxLength: 2 }), fc.boolean())
  .map(([said, files, isBare]): ModelMessage[] => [
    {
      role: "user",
      content: isBare && files.length === 0 ? said : [{ type: "text", text: said }, ...files],
    },
  ]);
const output = fc.constantFrom<Part<"tool"> extends infer P ? (P extends { output: infer O } ? O : never) : never>(
  { type: "text", value: "12 free" },
  { type: "json", value: { free: [12, 13], next: null } },
  { type: "error-text", value: "no answer" },
  { type: "error-json", value: { code: 503 } },
);
const thinking = fc.constantFrom<Part<"assistant">>(
  { type: "reasoning", text: "Look it up.", providerOptions: { anthropic: { signature: "SIG" } } },
  { type: "reasoning", text: "", providerOptions: { anthropic: { redactedData: "RED" } } },
);

/** An answer after several steps. Each step calls tools in parallel, which answer in any order. */
const answer = fc
  .tuple(
    fc.array(
      fc.tuple(fc.array(output, { minLength: 1, maxLength: 3 }), fc.option(thinking), fc.option(text), fc.boolean()),
      {
        maxLength: 2,
      },
    ),
    text,
    fc.boolean(),
    fc.boolean(),
  )
  .map(([steps, said, isBare, isApart]) => (mark: () => number): ModelMessage[] => {
    const messages = steps.flatMap(([outputs, thought, words, isReversed]): ModelMessage[] => {
      const calls = outputs.map((told) => ({ id: `call_${mark()}`, told }));
      const results = calls.map(({ id, told }): Part<"tool"> => ({
        type: "tool-result",
        toolCallId: id,
        toolName: "berths",
        output: told,
      }));
      const ordered = isReversed ? results.toReversed() : results;
      return [
        {
          role: "assistant",
          content: [
            ...(thought === null ? [] : [thought]),
            ...(words === null ? [] : [{ type: "text" as const, text: words }]),
            ...calls.map(({ id }) => ({
              type: "tool-call" as const,
              toolCallId: id,
              toolName: "berths",
              input: { harbour: id },
            })),
          ],
        },
        ...(isApart
          ? ordered.map((result): ModelMessage => ({ role: "tool", content: [result] }))
          : [{ role: "tool" as const, content: ordered }]),
      ];
    });
    return [...messages, { role: "assistant", content: isBare ? said : [{ type: "text", text: said }] }];
  });
const chat = fc
  .tuple(fc.option(text), fc.array(fc.tuple(question, fc.option(answer, { freq: 6 })), { maxLength: 4 }), question)
  .map(([system, turns, last]) => {
    let count = 0;
    const mark = (): number => (count += 1);
    const messages = [...turns.flatMap(([asked, answered]) => [...asked, ...(answered?.(mark) ?? [])]), ...last];
    return { system, messages };
  });

/** What Threadkeep changes on purpose: the results of a step are in one message, in the order of their calls. */
function inOrder(messages: readonly ModelMessage[]): ModelMessage[] {
  const ordered: ModelMessage[] = [];
  for (const message of messages) {
    const before = ordered.at(-1);
    if (message.role !== "tool" || before?.role !== "tool") ordered.push(message);
    else ordered.splice(-1, 1, { ...before, content: [...before.content, ...message.content] });
  }
  return ordered.map((message, index) => {
    const asked = ordered[index - 1]?.content;
    if (message.role !== "tool" || typeof asked !== "object") return message;
    const ids = asked.flatMap((part) => (part.type === "tool-call" ? [part.toolCallId] : []));
    const placeOf = (part: Part<"tool">): number => (part.type === "tool-result" ? ids.indexOf(part.toolCallId) : 0);
    return { ...message, content: message.content.toSorted((a, b) => placeOf(a) - placeOf(b)) };
  });
}

/** The same chat, appended and read with a budget that is large enough for all of it. */
function throughThreadkeep(provider: Provider, system: string | null, messages: readonly ModelMessage[]) {
  const all = [...(system === null ? [] : [{ role: "system", content: system }]), ...messages];
  const sent: unknown = JSON.parse(JSON.stringify({ format: "ai-sdk", messages: all }));
  const taken = takeIn(parseBody(appendRequestSchema, sent)).request.messages;
  const log = logOf(taken.map(({ role, content }) => ({ role, content })));
  const context = assembleContext(inputOf({ log, summary: null }, ENOUGH_TOKENS));
  return renderContext(context, {
    format: "ai-sdk",
    summaryRole: "user",
    roles: "as-said",
    ...(provider === "anthropic" ? { provider } : {}),
  });
}

describe("promise 13, beside the bare AI SDK", () => {
  it.each(PROVIDERS)("sends %s the same request", async (provider) => {
    await fc.assert(
      fc.asyncProperty(chat, async ({ system, messages }) => {
        const bare = await bodyOf(provider, system ?? undefined, inOrder(messages));
        const kept = throughThreadkeep(provider, system, messages);
        if (!("system" in kept || "messages" in kept)) throw new Error("no prompt");
        const read = kept as { system?: string; messages: ModelMessage[] };
        expect(await bodyOf(provider, read.system, read.messages)).toEqual(bare);
      }),
      RUNS,
    );
  });
});
