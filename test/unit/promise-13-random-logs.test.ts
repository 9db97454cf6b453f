import { convertToModelMessages, modelMessageSchema, validateUIMessages } from "ai";
import fc from "fast-check";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type Context, contextFormatSchema, renderedContextSchemas } from "../../src/api/context.ts";
import { MAX_CONTEXT_BYTES } from "../../src/api/limits.ts";
import { assembleContext, type LogMessage } from "../../src/prompt/context.ts";
import { renderContext, type RenderOptions } from "../../src/prompt/formats.ts";
import { NO_RESULT } from "../../src/prompt/formats/turns.ts";
import { messageCost } from "../../src/prompt/message-text.ts";
import { answersIn, type Rendered, textsOf, wordsIn } from "../support/prompt-contents.ts";
import {
  aiSdkFaults,
  anthropicFaults,
  openaiChatFaults,
  responsesFaults,
  strictFaults,
  thinkingFaults,
} from "../support/prompt-validators.ts";
import { assemblyOf, onBranch, randomLog, type RandomLog } from "../support/random-logs.ts";

/** `npm run fuzz:prompts` runs more. */
const RUNS = {
  numRuns: Number(process.env["PROMPT_CHATS"] ?? 120),
  seed: Number(process.env["PROMPT_SEED"] ?? 20261129),
};

/** The parameters of a request. */
const request = fc.record({
  maxTokens: fc.oneof(fc.integer({ min: 256, max: 700 }), fc.integer({ min: 256, max: 12_000 }), fc.constant(200_000)),
  tokenizer: fc.constantFrom("o200k" as const, "o200k" as const, "claude" as const),
  summaryRole: fc.constantFrom("user" as const, "system" as const),
  roles: fc.constantFrom("as-said" as const, "merged" as const, "strict" as const, undefined),
  provider: fc.constantFrom("anthropic", "openai", "google", undefined),
  toolFiles: fc.constantFrom("named" as const, "sent" as const),
  cacheControl: fc.constantFrom("5m" as const, undefined),
  counted: fc.nat(3),
});
type Request = typeof request extends fc.Arbitrary<infer T> ? T : never;

type Options = Omit<RenderOptions<"text">, "format">;

/** The context in every format that is sent to a model. */
function promptsOf(context: Context, { summaryRole, roles, provider, toolFiles, cacheControl }: Request) {
  const options: Options = { summaryRole, roles, provider, toolFiles, cacheControl };
  return {
    openai: renderContext(context, { ...options, format: "openai-chat" }),
    responses: renderContext(context, { ...options, format: "openai-responses" }),
    anthropic: renderContext(context, { ...options, format: "anthropic" }),
    sdk: renderContext(context, { ...options, format: "ai-sdk" }),
    ui: renderContext(context, { ...options, format: "ui" }),
    text: renderContext(context, { ...options, format: "text" }),
  };
}
type Prompts = ReturnType<typeof promptsOf>;

function readable({ openai, responses, anthropic, sdk, ui }: Prompts): Rendered[] {
  return [
    { format: "openai-chat", prompt: openai },
    { format: "openai-responses", prompt: responses },
    { format: "anthropic", prompt: anthropic },
    { format: "ai-sdk", prompt: sdk },
    { format: "ui", prompt: ui },
  ];
}

function contextOf(log: RandomLog, { maxTokens, tokenizer, toolFiles }: Request): Context {
  const budget = { maxTokens, maxBytes: MAX_CONTEXT_BYTES, tokenizer, sendsToolFiles: toolFiles === "sent" };
  return assembleContext(assemblyOf(log, budget));
}

/** What providers refuse in it. */
function faultsOf({ openai, responses, anthropic, sdk }: Prompts, { roles }: Request): string[] {
  const pairs = openai.messages.filter(({ role }, at) => role === "user" && openai.messages[at - 1]?.role === "user");
  return [
    ...openaiChatFaults(openai.messages),
    ...(roles === "strict" ? strictFaults(openai.messages) : []),
    ...(roles === "as-said" || pairs.length === 0 ? [] : ["users speak twice"]),
    ...responsesFaults(responses.input),
    ...anthropicFaults(anthropic),
    ...thinkingFaults(anthropic),
    ...aiSdkFaults(sdk),
  ];
}

/** Calls with another call's result, or with a result although they had none. */
function swappedIn(rendered: Rendered, { answered }: RandomLog): string[] {
  const swapped: string[] = [];
  for (const [key, answer] of answersIn(rendered)) {
    const foreign = (answer.match(/\bt\d+\b/g) ?? []).filter((mark) => mark.slice(1) !== key.slice(1));
    if (foreign.length > 0) swapped.push(`${rendered.format}: ${key} has ${foreign.join()}`);
    if (answered.get(key) === false && answer !== "" && !answer.includes(NO_RESULT)) {
      swapped.push(`${rendered.format}: ${key} was not answered: ${answer.slice(0, 80)}`);
    }
  }
  return swapped;
}

/** Text in a wrong role, and text that is in no prompt. */
function misspokenIn(rendered: Rendered): string[] {
  return wordsIn(rendered).flatMap(({ by, text }) => {
    const faults: string[] = [];
    const holds = (mark: RegExp): boolean => mark.test(text);
    if (by !== "user" && holds(/\bu\d+ /)) faults.push("a user's words");
    if (by !== "assistant" && by !== "user" && holds(/\ba\d+ /)) faults.push("an assistant's words");
    if (by !== "system" && by !== "user" && holds(/\bs\d+ /)) faults.push("an instruction");
    if (by !== "tool" && by !== "user" && holds(/\bt\d+\b/)) faults.push("a tool's words");
    if (holds(/\bx\d+\b/)) faults.push("what is off the branch");
    return faults.map((fault) => `${rendered.format}: ${by} has ${fault}: ${text.slice(0, 200)}`);
  });
}

const marked = (text: string): string | undefined => /\bu\d+ /.exec(text)?.[0];

/** The mark of the newest question, unless the summary covers it, and its answer; undefined if there is none. */
function questionOf(log: RandomLog): string | undefined {
  const isLater = ({ seq }: LogMessage): boolean => seq > (log.summary?.throughSeq ?? 0);
  const newest = onBranch(log).findLast(({ role, content }) => role === "user" && content !== null);
  return newest === undefined || !isLater(newest) ? undefined : marked(JSON.stringify(newest.content));
}

/** Every message is in the context, covered by the summary, or named. */
function unaccounted({ messages, omitted, summary, headSeq }: Context): number[] {
  const here = new Set(messages.map(({ seq }) => seq));
  const isNamed = (seq: number): boolean => omitted.some((range) => seq >= range.fromSeq && seq <= range.throughSeq);
  const seqs = Array.from({ length: headSeq }, (_, index) => index + 1);
  return seqs.filter((seq) => seq > (summary?.throughSeq ?? 0) && !here.has(seq) && !isNamed(seq));
}

/** Instructions and pins that are neither verbatim nor named, and those that are named although they fit. */
function lostInstructions(log: RandomLog, context: Context): string[] {
  const isInstruction = ({ role, pinned, content }: LogMessage): boolean =>
    content !== null && (role === "system" || role === "developer" || pinned === true);
  const instructions = onBranch(log).filter(isInstruction);
  const whole = new Set(context.messages.filter(({ cut }) => cut !== true).map(({ seq }) => seq));
  const words = ({ role, author, content }: Pick<LogMessage, "role" | "author" | "content">): string =>
    JSON.stringify([role, author ?? null, content]);
  const here = new Set(context.messages.map(words));
  const isNamed = (seq: number): boolean =>
    context.omitted.some((range) => seq >= range.fromSeq && seq <= range.throughSeq);
  const lost = instructions.filter((one) => !whole.has(one.seq) && !isNamed(one.seq) && !here.has(words(one)));
  const cost = instructions.reduce((sum, one) => sum + messageCost(one), 0);
  const hasRoom =
    cost * 1.35 <= context.tokens.budget / 4 && instructions.every(({ content }) => typeof content === "string");
  const left = hasRoom ? instructions.filter((one) => !whole.has(one.seq) && !here.has(words(one))) : [];
  return [...lost.map(({ seq }) => `${seq} is lost`), ...left.map(({ seq }) => `${seq} is left out`)];
}

describe("promise 13, of random logs", () => {
  it("holds at every budget, in every format, however the chat branched and whatever was summarized, pinned and retrieved", async () => {
    await fc.assert(
      fc.asyncProperty(randomLog, request, async (log, asked) => {
        const context = contextOf(log, asked);
        expect(context.tokens.used).toBeLessThanOrEqual(asked.maxTokens);
        expect(unaccounted(context)).toEqual([]);
        expect(lostInstructions(log, context)).toEqual([]);
        const prompts = promptsOf(context, asked);
        expect(faultsOf(prompts, asked)).toEqual([]);
        const question = questionOf(log);
        for (const rendered of readable(prompts)) {
          expect(swappedIn(rendered, log)).toEqual([]);
          if (rendered.format === "ui") continue;
          expect(misspokenIn(rendered)).toEqual([]);
          if (question === undefined) continue;
          const isThere = wordsIn(rendered).some(({ by, text }) => by === "user" && text.includes(question));
          expect(isThere, `${rendered.format}: the question ${question}`).toBe(true);
        }
        expect(prompts.text.text).toContain(question ?? "");
        expect(prompts.text.text).not.toMatch(/\bx\d+\b/);
        // One format at a time, because a real tokenizer takes longer than everything else.
        const { meta: _, ...counted } =
          [prompts.openai, prompts.anthropic, prompts.responses, prompts.sdk][asked.counted] ?? prompts.openai;
        if (asked.tokenizer === "o200k") {
          const most = (context.tokens.used + 20) * 1.05;
          expect(countTokens(textsOf(counted).join("\n"), { disallowedSpecial: new Set() })).toBeLessThanOrEqual(most);
        }
        if (prompts.ui.messages.length > 0) {
          const { messages } = prompts.ui;
          expect(await validateUIMessages({ messages: structuredClone(messages) })).toEqual(messages);
          const bare = await convertToModelMessages(messages, { ignoreIncompleteToolCalls: true });
          expect(z.array(modelMessageSchema).safeParse(bare).error).toBeUndefined();
        }
      }),
      RUNS,
    );
  });

  it("does not change with metadata, and matches the schema of its format", () => {
    fc.assert(
      fc.property(randomLog, request, (log, asked) => {
        const context = contextOf(log, asked);
        const told = promptsOf(context, asked);
        for (const format of contextFormatSchema.options) {
          const prompt = renderContext(context, { ...asked, format });
          expect(renderedContextSchemas[format].parse(prompt)).toEqual(prompt);
        }
        const silent = log.log.map((message) => ({ ...message, metadata: undefined }));
        const { ui: _ui, ...rest } = promptsOf(contextOf({ ...log, log: silent }, asked), asked);
        expect(rest).toEqual({
          openai: told.openai,
          responses: told.responses,
          anthropic: told.anthropic,
          sdk: told.sdk,
          text: told.text,
        });
      }),
      { ...RUNS, numRuns: Math.ceil(RUNS.numRuns / 4) },
    );
  });
});
