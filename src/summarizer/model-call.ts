/**
 * Makes one call of a language model with the AI SDK. Imported only by `models.ts`, and lazily, because most isolates
 * never need the SDK.
 */
import {
  APICallError,
  generateText,
  type JSONSchema7,
  jsonSchema,
  type LanguageModelUsage,
  NoObjectGeneratedError,
  Output,
} from "ai";
import type { SummarizerUsage } from "../api/summarizer.ts";
import { itemKindSchema, itemStatusSchema } from "../api/summary.ts";
import type { ProviderError } from "../provider/provider-error.ts";
import { readSdkError } from "../provider/sdk-error.ts";
import { createLanguageModels, type LanguageModels, type ModelProvider } from "./language-models.ts";
import type { AskModel, ModelQuestion, ModelReply } from "./model-summarizer.ts";

/**
 * The schema of the answer. It has no lengths and ranges, because some providers refuse them, and requires every
 * property, because others do not support optional ones.
 */
const ANSWER_SCHEMA: JSONSchema7 = {
  type: "object",
  properties: {
    items: {
      type: "array",
      items: {
        type: "object",
        properties: {
          id: { anyOf: [{ type: "string" }, { type: "null" }] },
          kind: { type: "string", enum: itemKindSchema.options },
          text: { type: "string" },
          sourceSeqs: { type: "array", items: { type: "integer" } },
          status: { type: "string", enum: itemStatusSchema.options },
        },
        required: ["id", "kind", "text", "sourceSeqs", "status"],
        additionalProperties: false,
      },
    },
  },
  required: ["items"],
  additionalProperties: false,
};

/** Statuses with which servers refuse a JSON schema. */
const SCHEMA_REFUSED: ReadonlySet<number | undefined> = new Set([400, 422]);
/** Workers AI reports with this text, and an unspecific code, that the model failed to follow the schema. */
const SCHEMA_MISSED = /JSON mode couldn't be met/i;

/** Null if the provider does not report usage. */
export function usageOf({ inputTokens, outputTokens }: LanguageModelUsage): SummarizerUsage | null {
  if (inputTokens === undefined && outputTokens === undefined) return null;
  return { inputTokens: inputTokens ?? 0, outputTokens: outputTokens ?? 0 };
}

/** Finds the JSON in a text: models without a schema put their thoughts before it, and code fences around it. */
function jsonIn(text: string): unknown {
  const spoken = text.replace(/^\s*<think>[^]*?<\/think>/, "");
  const start = spoken.indexOf("{");
  const end = spoken.lastIndexOf("}");
  if (start === -1 || end < start) return undefined;
  try {
    return JSON.parse(spoken.slice(start, end + 1));
  } catch {
    return undefined;
  }
}

/** Why a call failed, with what to check. */
export function failureOf(error: unknown): ProviderError {
  return readSdkError(error, {
    variable: "THREADKEEP_MODEL",
    refused: "the model may not take so much text or so long an answer; docs/deploy.md says what it needs",
  });
}

async function call(model: LanguageModels["withSchema"], question: ModelQuestion): Promise<ModelReply> {
  const { system, turns, maxOutputTokens, signal } = question;
  try {
    const result = await generateText({
      model,
      instructions: system,
      messages: turns.map(({ role, text }) => ({ role, content: text })),
      output: Output.object({ schema: jsonSchema<unknown>(ANSWER_SCHEMA), name: "memory" }),
      maxOutputTokens,
      // The queue decides about retries; a second policy here would multiply paid calls.
      maxRetries: 0,
      abortSignal: signal,
    });
    const isCut = result.finishReason === "length";
    const usage = usageOf(result.usage);
    // A model that refused, or used up its tokens by thinking, has no output.
    const data = result.finishReason === "stop" || result.text !== "" ? result.output : undefined;
    return { data, text: result.text || (JSON.stringify(data) ?? ""), isCut, usage };
  } catch (error) {
    if (NoObjectGeneratedError.isInstance(error)) {
      const { text = "", finishReason, usage } = error;
      return { data: jsonIn(text), text, isCut: finishReason === "length", usage: usage ? usageOf(usage) : null };
    }
    const isMissed = APICallError.isInstance(error) && SCHEMA_MISSED.test(error.message);
    if (!isMissed) throw error;
    return { data: undefined, text: "", isCut: false, usage: null };
  }
}

/**
 * Makes a function that asks the configured model. It throws a ProviderError, except after the question's signal was
 * aborted.
 */
export function createAskModel(provider: ModelProvider): AskModel {
  const { withSchema, withoutSchema } = createLanguageModels(provider);
  let takesSchema = true;

  async function ask(question: ModelQuestion): Promise<ModelReply> {
    if (!takesSchema && withoutSchema !== null) return call(withoutSchema, question);
    try {
      return await call(withSchema, question);
    } catch (error) {
      const isRefused = APICallError.isInstance(error) && SCHEMA_REFUSED.has(error.statusCode);
      if (!isRefused || withoutSchema === null) throw error;
      // The prompt also describes the format of the answer. That the server takes no schema is noted only after this
      // call succeeded, because the error may have another cause.
      const reply = await call(withoutSchema, question);
      takesSchema = false;
      return reply;
    }
  }

  return async (question) => {
    try {
      return await ask(question);
    } catch (error) {
      throw failureOf(error);
    }
  };
}
