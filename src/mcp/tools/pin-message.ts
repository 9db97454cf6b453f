import { z } from "zod";
import { idText } from "../../api/text.ts";
import { editMessage } from "../../usecases/messages.ts";
import { defineTool, sessionArgument } from "../tool.ts";

export const pinMessageTool = defineTool({
  name: "pin_message",
  title: "Pin a message",
  description:
    "Keeps a message in every context verbatim; pinned false undoes it. For what must always be remembered. Pin few messages: they take room from the others.",
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
        ? `Message ${seq} (id ${id}) of session ${sessionId} is pinned: every context contains it verbatim.`
        : `Message ${seq} (id ${id}) of session ${sessionId} is not pinned any more.`,
    };
  },
});
