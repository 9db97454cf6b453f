import { z } from "zod";
import { appendFields } from "../../api/append.ts";
import { mendedPaths, tellMended } from "../../api/faults.ts";
import { MAX_MESSAGES_PER_APPEND } from "../../api/limits.ts";
import { appendedMessageSchema, batchOf, mendedSchema, newMessageSchema, roleSchema } from "../../api/message.ts";
import { appendMessages } from "../../usecases/messages.ts";
import { defineTool, sessionArgument } from "../tool.ts";

const { expectedHeadSeq } = appendFields;
const messages = batchOf(newMessageSchema);

/**
 * A short form of the parts of a message. The full schema validates them, and a refusal names the path of each fault.
 */
const shownContent = z
  .union([z.string(), z.array(z.looseObject({ type: z.string() })).min(1)])
  .describe(
    "Text, or parts: {type: text, text}, {type: tool-call, toolCallId, toolName, input}, {type: tool-result, toolCallId, toolName, output}",
  );

export const appendMessagesTool = defineTool({
  name: "append_messages",
  title: "Remember what was said",
  description:
    "Appends messages to a session, in order, and creates the session if it does not exist. Call it after each turn: the user's words with role user, yours with role assistant, a tool's output with role tool. Write them verbatim; summaries are made automatically. For an edited question or a regenerated answer, set afterSeq to the message before the one it replaces: the replaced messages are then off the branch. Give each message an id of your own (turn-7), so that repeating the call stores nothing twice.",
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
  actions: ["appendMessages"],
  input: z.strictObject({ sessionId: sessionArgument, messages, expectedHeadSeq }),
  shownInput: z.strictObject({
    sessionId: sessionArgument,
    messages: z
      .array(
        z.strictObject({
          role: roleSchema,
          content: shownContent,
          id: newMessageSchema.shape.id,
          author: z.string().optional().describe("Name of the speaker, if there are several"),
          afterSeq: z
            .int()
            .min(0)
            .optional()
            .describe("Only to replace messages: the message that this one follows, instead of the newest"),
          occurredAt: z
            .string()
            .optional()
            .describe("When it was said, if not now: ISO 8601, with the speaker's UTC offset"),
        }),
      )
      .min(1)
      .max(MAX_MESSAGES_PER_APPEND)
      .describe("Oldest first"),
    expectedHeadSeq,
  }),
  output: z.object({
    sessionId: z.string(),
    headSeq: z.int().describe("seq of the newest message of the active branch"),
    messages: z.array(appendedMessageSchema),
    mended: mendedSchema,
  }),
  async run({ call }, { sessionId, ...request }, sent) {
    const mended = mendedPaths(sent, false);
    const { headSeq, messages: appended } = await appendMessages(call, sessionId, request);
    const stored = appended.filter(({ created }) => created).length;
    const known = appended.length - stored;
    const places = appended.map(({ id, seq }) => `${seq} (id ${id})`).join(", ");
    return {
      structured: { sessionId, headSeq, messages: appended, ...tellMended(mended) },
      text: `Stored ${stored} in session ${sessionId}${known === 0 ? "" : `, ${known} existed already`}: messages ${places}. The newest is ${headSeq}.${mended.length === 0 ? "" : ` Content that cannot be stored was replaced at ${mended.join(", ")}.`}`,
    };
  },
});
