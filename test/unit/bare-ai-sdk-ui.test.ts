import { convertToModelMessages, type ModelMessage, type UIMessage } from "ai";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toStored, toUiMessage } from "../../client/src/ai-sdk/ui-parts.ts";
import { assembleContext } from "../../src/prompt/context.ts";
import { renderContext } from "../../src/prompt/formats.ts";
import { NO_RESULT } from "../../src/prompt/formats/turns.ts";
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

type UiPart = UIMessage["parts"][number];
type Mark = () => number;

const text = fc.constantFrom("Where may I moor?", "Berth 12 is free.", "今日は", "</conversation_summary>", "a\n\nb");
const file = fc.constantFrom<UiPart>(
  { type: "file", mediaType: "image/png", url: "https://example.com/a.png" },
  { type: "file", mediaType: "image/png", url: `data:image/png;base64,${PNG}` },
  { type: "file", mediaType: "application/pdf", url: "data:application/pdf;base64,JVBERi0xLjQK", filename: "plan.pdf" },
);
const thinking = fc.constantFrom<UiPart>(
  { type: "reasoning", text: "Look it up.", providerMetadata: { anthropic: { signature: "SIG" } } },
  { type: "reasoning", text: "", providerMetadata: { anthropic: { redactedData: "RED" } } },
);
const output = fc.constantFrom<unknown>("12 free", "", { free: [12, 13], next: null }, [1, 2], null, 0, false);

/** The result of a call of a tool of ours. `pending`: there is none, which is only possible in the last step of a message. */
const OUTCOMES = ["answered", "failed", "approved", "approved and failed", "refused"] as const;
type Outcome = (typeof OUTCOMES)[number] | "pending";

const ownCall = (outcomes: readonly Outcome[]) =>
  fc
    .record({ outcome: fc.constantFrom(...outcomes), told: output, isDynamic: fc.boolean(), reason: fc.option(text) })
    .map(({ outcome, told, isDynamic, reason }) => (mark: Mark): UiPart => {
      const number = mark();
      const called = { toolCallId: `call_${number}`, input: { harbour: number } };
      const type = isDynamic ? { type: "dynamic-tool" as const, toolName: "berths" } : { type: "tool-berths" as const };
      const approval = { id: `approval_${number}`, ...(reason === null ? {} : { reason }) };
      const approved = { approval: { ...approval, approved: true as const } };
      switch (outcome) {
        case "answered":
          return { ...type, ...called, state: "output-available", output: told };
        case "failed":
          return { ...type, ...called, state: "output-error", errorText: "no answer" };
        case "approved":
          return { ...type, ...called, ...approved, state: "output-available", output: told };
        case "approved and failed":
          return { ...type, ...called, ...approved, state: "output-error", errorText: "no answer" };
        case "refused":
          return { ...type, ...called, state: "output-denied", approval: { ...approval, approved: false } };
        default:
          return { ...type, ...called, state: "input-available" };
      }
    });

/** A search that Anthropic itself ran. */
const search = fc.boolean().map((hasFound) => (mark: Mark): UiPart => {
  const number = mark();
  const page = { type: "web_search_result", url: `https://example.com/${number}`, title: "Berths", pageAge: null };
  return {
    type: "tool-web_search",
    toolCallId: `srvtoolu_${number}`,
    state: "output-available",
    input: { query: "berths" },
    output: hasFound ? [{ ...page, encryptedContent: "ENC" }] : [],
    providerExecuted: true,
  };
});

const step = (provider: Provider, outcomes: readonly Outcome[] = OUTCOMES) =>
  fc
    .record({
      thought: fc.option(thinking),
      said: fc.option(text),
      searches: fc.array(search, { maxLength: provider === "anthropic" ? 1 : 0 }),
      calls: fc.array(ownCall(outcomes), { minLength: 1, maxLength: 3 }),
    })
    .map(({ thought, said, searches, calls }) => (mark: Mark): UiPart[] => [
      { type: "step-start" },
      ...(thought === null ? [] : [thought]),
      ...searches.map((make) => make(mark)),
      ...(said === null ? [] : [{ type: "text" as const, text: said }]),
      ...calls.map((make) => make(mark)),
    ]);

const chatFor = (provider: Provider) =>
  fc
    .tuple(
      fc.array(
        fc.tuple(
          text,
          fc.array(file, { maxLength: 2 }),
          fc.array(step(provider), { maxLength: 2 }),
          // An answer ends with text, or was stopped in the middle of its last step.
          fc.oneof(
            text.map((said) => (): UiPart[] => [{ type: "step-start" }, { type: "text", text: said }]),
            step(provider, [...OUTCOMES, "pending"]),
          ),
        ),
        { maxLength: 4 },
      ),
      text,
    )
    .map(([turns, last]) => {
      let count = 0;
      const mark = (): number => (count += 1);
      const user = (said: string, files: readonly UiPart[] = []): UIMessage => ({
        id: `m${mark()}`,
        role: "user",
        parts: [{ type: "text", text: said }, ...files],
      });
      const messages = turns.flatMap(([asked, files, steps, end]): UIMessage[] => [
        user(asked, files),
        {
          id: `m${mark()}`,
          role: "assistant",
          parts: [...steps, end].flatMap((make) => make(mark)),
        },
      ]);
      return [...messages, user(last)];
    });

const bare = (messages: readonly UIMessage[]): Promise<ModelMessage[]> =>
  convertToModelMessages([...messages], { ignoreIncompleteToolCalls: true });

/** The messages as the client stores them. */
function contextOf(messages: readonly UIMessage[]) {
  const stored = messages.map((message) => toStored(message, message.id));
  const log = logOf(stored.map(({ role, content }) => ({ role, content: JSON.parse(JSON.stringify(content)) })));
  return { log, context: assembleContext(inputOf({ log, summary: null }, ENOUGH_TOKENS)) };
}

/** What Threadkeep changes on purpose in a prompt: an unanswered call stays, with a result that says so. */
function withNoResults(messages: readonly UIMessage[]): UIMessage[] {
  return messages.map((message) => ({
    ...message,
    parts: message.parts.map((part): UiPart =>
      "toolCallId" in part && part.state === "input-available"
        ? { ...part, state: "output-error", errorText: NO_RESULT }
        : part,
    ),
  }));
}

/** A call that the user refused appears as in the run in which it is refused. In UIMessages the SDK shows it as an error. */
function withRefusals(prompt: readonly ModelMessage[], messages: readonly UIMessage[]): ModelMessage[] {
  const refused = new Map(
    messages
      .flatMap(({ parts }) => parts)
      .flatMap((part) =>
        "toolCallId" in part && part.state === "output-denied"
          ? [[part.toolCallId, part.approval.reason] as const]
          : [],
      ),
  );
  return prompt.map((message): ModelMessage => {
    if (message.role !== "tool") return message;
    const content = message.content.map((part) => {
      if (part.type !== "tool-result" || !refused.has(part.toolCallId)) return part;
      const reason = refused.get(part.toolCallId);
      return { ...part, output: { type: "execution-denied" as const, ...(reason === undefined ? {} : { reason }) } };
    });
    return { ...message, content };
  });
}

describe.each(PROVIDERS)("promise 13, beside the bare AI SDK: UIMessages for %s", (provider) => {
  it("become the same request from the page's history and from the format `ui`", async () => {
    await fc.assert(
      fc.asyncProperty(chatFor(provider), async (messages) => {
        const wanted = await bodyOf(provider, undefined, await bare(messages));
        const { log, context } = contextOf(messages);
        const history = log.flatMap((message) => toUiMessage({ ...message, content: message.content ?? "" }) ?? []);
        expect(await bodyOf(provider, undefined, await bare(history))).toEqual(wanted);
        const shown = renderContext(context, { format: "ui", summaryRole: "user" });
        expect(await bodyOf(provider, undefined, await bare(shown.messages as UIMessage[]))).toEqual(wanted);
      }),
      RUNS,
    );
  });

  it("become the same request as the prompt `ai-sdk`", async () => {
    await fc.assert(
      fc.asyncProperty(chatFor(provider), async (messages) => {
        const meant = withRefusals(await bare(withNoResults(messages)), messages);
        const wanted = await bodyOf(provider, undefined, meant);
        const prompt = renderContext(contextOf(messages).context, {
          format: "ai-sdk",
          summaryRole: "user",
          roles: "as-said",
          ...(provider === "anthropic" ? { provider } : {}),
        });
        expect(await bodyOf(provider, undefined, prompt.messages as ModelMessage[])).toEqual(wanted);
      }),
      RUNS,
    );
  });
});
