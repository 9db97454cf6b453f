import { z } from "zod";
import { idText } from "../../api/text.ts";
import { editMessage } from "../../usecases/messages.ts";
import { defineTool, sessionArgument } from "../tool.ts";

export const pinMessageTool = defineTool({
  name: "pin_message",
  title: "Keep a message in sight",
  description:
    "Keeps a message in each context word for word; pinned false takes that back. For what must always be remembered. Pin little: it takes room from the rest.",
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  actions: ["editMessage"],
  input: z.strictObject({
    sessionId: sessionArgument,
    messageId: idText,
    pinned: z.boolean().default(true),
  }),
  output: z.object({ seq: z.int(), pinned: z.boolean() }),
  async run({ call }, { sessionId, messageId: id, pinned }) {
    const { seq } = await editMessage(call, sessionId, id, { pinned });
    return {
      structured: { seq, pinned },
      text: pinned
        ? `Message ${seq} (id ${id}) of session ${sessionId} is pinned: each context has it word for word.`
        : `Message ${seq} (id ${id}) of session ${sessionId} is not pinned any more.`,
    };
  },
});
