import { z } from "zod";
import { contextRequestSchema, omittedSchema } from "../../api/context.ts";
import { readContextText } from "../context-text.ts";
import { budgetArgument, defineTool, memoryText, sessionArgument } from "../tool.ts";

export const getContextTool = defineTool({
  name: "get_context",
  title: "Recall a session",
  description:
    "Gives what a session is about, within a budget: a summary of its older messages, older messages that matter to the question, and the newest word for word. Call it when you begin or resume a conversation, before you answer anything that leans on what was said before. Ask with query for what you are about to answer. It says what it leaves out, and how to get that.",
  annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
  actions: ["readContext"],
  input: z.strictObject({
    sessionId: sessionArgument,
    maxTokens: budgetArgument,
    query: contextRequestSchema.shape.query.describe(
      "The question at hand, in plain words: older messages that matter to it are brought back. By default the user's newest message; null: bring back none",
    ),
    atSeq: contextRequestSchema.shape.atSeq.describe("As it was at this message; by default the newest"),
  }),
  output: z.object({
    memory: memoryText,
    sessionId: z.string(),
    headSeq: z.int().describe("Place of the newest message"),
    atSeq: z.int(),
    summaryThroughSeq: z.int().describe("The summary covers messages 1 to this one; 0: there is none yet"),
    summaryPending: z.boolean().describe("A newer summary is being made"),
    tokens: z.object({ budget: z.int(), used: z.int() }),
    omitted: z
      .array(
        omittedSchema.extend({
          reason: omittedSchema.shape.reason.describe(
            "budget: no room; hidden: erased or awaiting a summary; pending: a summary is on its way",
          ),
        }),
      )
      .describe("Messages that are neither there word for word nor in the summary"),
    more: z.string().describe("What is there, what is not, and how to get it"),
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
