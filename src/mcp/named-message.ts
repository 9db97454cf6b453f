/** The arguments by which a model names a message: its seq or its id. Other tools return both. */

import { ThreadkeepError } from "../api/errors.ts";
import { seqSchema } from "../api/message.ts";
import { idText } from "../api/text.ts";
import { listMessages } from "../usecases/messages.ts";
import type { RequestContext } from "../usecases/request-context.ts";

export const nameOfMessage = {
  seq: seqSchema.optional().describe("Its seq; requires the right to read"),
  messageId: idText.optional().describe("Its id, instead of seq"),
};

/**
 * @returns the id of the message
 * @throws {ThreadkeepError} `validation_failed` or `message_not_found`
 */
export async function namedMessage(
  call: RequestContext,
  sessionId: string,
  { seq, messageId }: { readonly seq?: number | undefined; readonly messageId?: string | undefined },
): Promise<string> {
  if (messageId !== undefined) return messageId;
  if (seq === undefined) {
    throw new ThreadkeepError({
      code: "validation_failed",
      detail:
        "Give seq or messageId to name the message. Nothing was done; search_memory and read_messages return both.",
      errors: [{ path: "/seq", detail: "is required without messageId" }],
    });
  }
  const { data } = await listMessages(call, sessionId, { afterSeq: seq - 1, limit: 1 });
  const [message] = data;
  if (message?.seq === seq) return message.id;
  throw new ThreadkeepError({
    code: "message_not_found",
    detail: `The session has no message ${seq}. Nothing was done.`,
  });
}
