/**
 * The inspector's chat: the configured model answers the last turn from the context that Threadkeep returns, and its
 * answer is appended.
 */

import type { AnswerLine } from "../api/answer.ts";
import type { AiSdkContext } from "../api/context-ai-sdk.ts";
import { ThreadkeepError, unwrap } from "../api/errors.ts";
import { faultOf } from "../api/problem.ts";
import { DAY_SECONDS } from "../api/quota.ts";
import type { SummarizerUsage } from "../api/summarizer.ts";
import { estimateTokens } from "../tokens/estimate.ts";
import { appendMessages } from "./messages.ts";
import { type RequestContext, refOf, tenantOf } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/** An answer that a model is writing. */
interface Answering {
  /** The text as it arrives. Throws if the model fails. */
  readonly words: AsyncIterable<string>;
  /** Known once the answer has ended; undefined if the provider does not report it. */
  usage(): SummarizerUsage | undefined;
}

export interface BeingAnswered {
  readonly lines: AsyncIterable<AnswerLine>;
  /** Called when the caller has disconnected: the model is stopped, and nothing is appended. */
  stop(): void;
}

export interface ChatDesk {
  /** Null: no model is configured. */
  readonly model: {
    readonly name: string;
    answer(prompt: Pick<AiSdkContext, "system" | "messages">, signal: AbortSignal): Answering;
  } | null;
  /** Keeps the work alive after the caller has disconnected, so that usage is still counted. */
  keepAlive(work: Promise<unknown>): void;
}

/**
 * Has the model answer the last turn. The model costs money for the benefit of one caller, so it is for operators only,
 * and refused if the tenant has used up its tokens of the day.
 */
export const answerSession = useCase(
  { action: "answerSession" },
  async (call: RequestContext, sessionId: string, { model, keepAlive }: ChatDesk): Promise<BeingAnswered> => {
    if (model === null) {
      throw new ThreadkeepError({
        code: "model_not_configured",
        detail: "No model is configured. Set THREADKEEP_MODEL, as described in docs/deploy.md.",
      });
    }
    const [tenant, settings] = [await tenantOf(call), await call.parts.tenants.read(call.principal.tenant)];
    if (settings.isOverBudget) throw overBudget();
    const session = call.parts.sessions.get(refOf(call, sessionId));
    const prompt: AiSdkContext = JSON.parse(
      unwrap(await session.contextJson({ format: "ai-sdk", query: "auto" }, tenant)),
    );
    if (prompt.messages.at(-1)?.role !== "user") {
      throw new ThreadkeepError({
        code: "validation_failed",
        detail: "The newest message must be of the role user. Append one, then ask for the answer.",
      });
    }
    const stop = new AbortController();
    const lines = answerLines(call, sessionId, prompt, model.answer(prompt, stop.signal), stop.signal, keepAlive);
    return { lines, stop: () => stop.abort() };
  },
);

async function* answerLines(
  call: RequestContext,
  sessionId: string,
  { meta }: AiSdkContext,
  answering: Answering,
  signal: AbortSignal,
  keepAlive: ChatDesk["keepAlive"],
): AsyncGenerator<AnswerLine> {
  let content = "";
  try {
    for await (const text of answering.words) {
      content += text;
      yield { text };
    }
    // The answer is incomplete, so it is not appended.
    if (signal.aborted) return;
    if (content.trim() === "") {
      throw new ThreadkeepError({
        code: "unavailable",
        detail: "The model returned an empty answer. Try again, or configure another model.",
      });
    }
    const messages = [{ role: "assistant" as const, content }];
    // The append fails if another message was appended meanwhile, because this is no answer to it.
    const appended = await appendMessages(call, sessionId, { messages, expectedHeadSeq: meta.headSeq });
    yield { seq: appended.headSeq };
  } catch (error) {
    const { code, detail } = faultOf(error);
    yield { problem: { code, detail } };
  } finally {
    // If nothing was returned, the model was probably not reached, so nothing is counted.
    const estimated = { inputTokens: meta.tokens.used, outputTokens: estimateTokens(content) };
    const usage = answering.usage() ?? (content === "" ? undefined : estimated);
    if (usage !== undefined) keepAlive(call.parts.tenants.spend(call.principal.tenant, usage));
  }
}

function overBudget(): ThreadkeepError {
  return new ThreadkeepError({
    code: "quota_exceeded",
    detail:
      "This tenant has used up its tokens of the day for models (summarizerTokensPerDay). Raise the limit with PATCH /v1/admin/tenants/{tenant}, or continue tomorrow (UTC).",
    retryAfterSeconds: DAY_SECONDS - (Math.floor(Date.now() / 1_000) % DAY_SECONDS),
  });
}
