import { z } from "zod";
import { omittedSchema } from "../../api/context-meta.ts";
import { contextRequestSchema } from "../../api/context.ts";
import { readContextText } from "../context-text.ts";
import { budgetArgument, defineTool, memoryText, sessionArgument } from "../tool.ts";

export const getContextTool = defineTool({
  name: "get_context",
  title: "Recall a session",
  description:
    "Returns what a session is about, within a token budget: a summary of its older messages, older messages relevant to the question, and the newest messages verbatim. Call it when you begin or resume a conversation, and before you answer anything that depends on earlier messages. Set query to the question that you are about to answer. The result says what it leaves out and how to get it.",
  annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
  actions: ["readContext"],
  input: z.strictObject({
    sessionId: sessionArgument,
    maxTokens: budgetArgument,
    query: contextRequestSchema.shape.query.describe(
      "The current question, in plain words: older messages that are relevant to it are included. By default the user's newest message; null: include none",
    ),
    atSeq: contextRequestSchema.shape.atSeq.describe("The context as it was when this message was the newest"),
  }),
  output: z.object({
    memory: memoryText,
    sessionId: z.string(),
    headSeq: z.int().describe("seq of the newest message"),
    atSeq: z.int(),
    summaryThroughSeq: z.int().describe("The summary covers messages 1 to this one; 0: there is no summary yet"),
    summaryPending: z.boolean().describe("Whether a newer summary is being made"),
    tokens: z.object({ budget: z.int(), used: z.int() }),
    omitted: z
      .array(
        omittedSchema.extend({
          reason: omittedSchema.shape.reason.describe(
            "budget: there is no room; hidden: erased, or waiting for a summary; pending: a summary of them is being made",
          ),
        }),
      )
      .describe("Messages that are neither included verbatim nor covered by the summary"),
    more: z.string().describe("What is included, what is not, and how to get the rest"),
  }),
  async run({ call }, { sessionId, maxTokens, query = "auto", atSeq }) {
    const { memory, meta, omitted, more } = await readContextText(call, sessionId, {
      maxTokens,
      query,
      ...(atSeq === undefined ? {} : { atSeq }),
    });
    return {
      structured: {
        memory,
        sessionId: meta.sessionId,
        headSeq: meta.headSeq,
        atSeq: meta.atSeq,
        summaryThroughSeq: meta.summaryThroughSeq,
        summaryPending: meta.summaryPending,
        tokens: { budget: meta.tokens.budget, used: meta.tokens.used },
        omitted,
        more,
      },
      text: `${memory}\n\n${more}`,
    };
  },
});
