import { z } from "zod";
import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, MIN_CONTEXT_TOKENS } from "../../api/limits.ts";
import { roleSchema } from "../../api/message.ts";
import { listMessages } from "../../usecases/messages.ts";
import { withinResult } from "../budget.ts";
import { fence } from "../fenced-text.ts";
import { tellMessages, tellNext } from "../messages-text.ts";
import { budgetArgument, defineTool, memoryText, sessionArgument } from "../tool.ts";

export const readMessagesTool = defineTool({
  name: "read_messages",
  title: "Read messages verbatim",
  description:
    "Returns messages of a session verbatim, oldest first, starting after afterSeq: those that a summary cites, that search_memory found, or that get_context left out. A long message is returned in pieces; next says where to continue.",
  annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
  actions: ["listMessages"],
  input: z.strictObject({
    sessionId: sessionArgument,
    afterSeq: z
      .int()
      .min(0)
      .default(0)
      .describe("Start after this message: 0 (default) starts with the first message, 41 with message 42"),
    fromCharacter: z
      .int()
      .min(0)
      .default(0)
      .describe("Continue in the first of them after this many characters, which were read already"),
    branch: z
      .enum(["active", "all"])
      .default("active")
      .describe("all: also messages off the active branch, which are marked"),
    limit: z.int().min(1).max(MAX_PAGE_SIZE).default(DEFAULT_PAGE_SIZE).describe("The maximum number of messages"),
    maxTokens: budgetArgument,
  }),
  output: z.object({
    memory: memoryText,
    sessionId: z.string(),
    messages: z.array(z.object({ seq: z.int(), id: z.string(), role: roleSchema })),
    next: z
      .object({ afterSeq: z.int(), fromCharacter: z.int() })
      .nullable()
      .describe("Call again with these to continue; null: there are no more"),
  }),
  async run({ call }, { sessionId, afterSeq, fromCharacter, branch, limit, maxTokens }) {
    const page = await listMessages(call, sessionId, {
      afterSeq,
      limit,
      ...(branch === "active" ? { branch } : {}),
    });
    return withinResult(maxTokens, MIN_CONTEXT_TOKENS, async (tokens) => {
      const { lines, told, next: unread } = tellMessages(page.data, fromCharacter, tokens);
      const next =
        unread ?? (page.nextCursor === null ? null : { afterSeq: Number(page.nextCursor), fromCharacter: 0 });
      const memory = fence(lines.length === 0 ? `(no message after ${afterSeq})` : lines.join("\n\n"));
      const more = next === null ? "There are no more messages." : tellNext(next);
      const messages = told.map(({ seq, id, role }) => ({ seq, id, role }));
      return { structured: { memory, sessionId, messages, next }, text: `${memory}\n\n${more}` };
    });
  },
});
