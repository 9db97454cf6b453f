/** Trying a context out: the model that is set answers the last turn with what Threadkeep gives it, and its answer is appended. */

import type { AnswerLine } from "../api/answer.ts";
import type { AiSdkContext } from "../api/context.ts";
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
  /** As it comes. Throws what went wrong. */
  readonly words: AsyncIterable<string>;
  /** Known once it has ended; undefined where the provider counts nothing. */
  usage(): SummarizerUsage | undefined;
}

export interface BeingAnswered {
  readonly lines: AsyncIterable<AnswerLine>;
  /** Whoever asked is gone: the model is stopped, and nothing is appended. */
  stop(): void;
}

export interface ChatDesk {
  /** Null: none is set. */
  readonly model: {
    readonly name: string;
    answer(prompt: Pick<AiSdkContext, "system" | "messages">, signal: AbortSignal): Answering;
  } | null;
  /** What was spent is counted though whoever asked is gone. */
  keepAlive(work: Promise<unknown>): void;
}

/**
 * A model is paid for it, and no summary comes of it that all readers share: it is for those who look after the service, and a tenant that
 * has spent its day's tokens gets none.
 */
export const answerSession = useCase(
  { action: "answerSession" },
  async (call: RequestContext, sessionId: string, { model, keepAlive }: ChatDesk): Promise<BeingAnswered> => {
    if (model === null) {
      throw new ThreadkeepError({
        code: "model_not_configured",
        detail: "No model is set that could answer: set THREADKEEP_MODEL, as docs/deploy.md has it.",
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
        detail: "The model answers what a user said last: append a message of the role user first.",
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
    // What was said so far is half an answer.
    if (signal.aborted) return;
    if (content.trim() === "") {
      throw new ThreadkeepError({ code: "unavailable", detail: "The model said nothing. Ask again, or set another." });
    }
    const messages = [{ role: "assistant" as const, content }];
    // What was said meanwhile this does not answer.
    const appended = await appendMessages(call, sessionId, { messages, expectedHeadSeq: meta.headSeq });
    yield { seq: appended.headSeq };
  } catch (error) {
    const { code, detail } = faultOf(error);
    yield { problem: { code, detail } };
  } finally {
    // A model that said nothing at all was not reached.
    const estimated = { inputTokens: meta.tokens.used, outputTokens: estimateTokens(content) };
    const usage = answering.usage() ?? (content === "" ? undefined : estimated);
    if (usage !== undefined) keepAlive(call.parts.tenants.spend(call.principal.tenant, usage));
  }
}

function overBudget(): ThreadkeepError {
  return new ThreadkeepError({
    code: "quota_exceeded",
    detail:
      "The models of this tenant took what they may take today (summarizerTokensPerDay). Raise it with PATCH /v1/admin/tenants/{tenant}, or go on tomorrow (UTC).",
    retryAfterSeconds: DAY_SECONDS - (Math.floor(Date.now() / 1_000) % DAY_SECONDS),
  });
}
