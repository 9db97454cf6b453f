import { z } from "zod";
import { editMessage } from "../../service/messages.ts";
import { namedMessage, nameOfMessage } from "../named-message.ts";
import { defineTool, sessionArgument } from "../tool.ts";

export const pinMessageTool = defineTool({
  name: "pin_message",
  title: "Keep a message in sight",
  description:
    "Keeps a message in each context, word for word, however long the conversation grows; pinned false takes that back. For what the user wants always remembered. Pin little: it takes room from the rest.",
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  operations: [editMessage],
  input: z.strictObject({
    sessionId: sessionArgument,
    ...nameOfMessage,
    pinned: z.boolean().default(true),
  }),
  output: z.object({ id: z.string(), seq: z.int(), pinned: z.boolean() }),
  async run({ call }, { sessionId, pinned, ...named }) {
    const id = await namedMessage(call, sessionId, named);
    const { seq } = await editMessage(call, sessionId, id, { pinned });
    return {
      structured: { id, seq, pinned },
      text: pinned
        ? `Message ${seq} (id ${id}) of session ${sessionId} is pinned: each context has it word for word.`
        : `Message ${seq} (id ${id}) of session ${sessionId} is not pinned any more.`,
    };
  },
});
