/** A message that a model names by its place or by its id: other tools tell it both. */

import { ThreadkeepError } from "../api/errors.ts";
import { seqSchema } from "../api/message.ts";
import { idText } from "../api/text.ts";
import { listMessages } from "../usecases/messages.ts";
import type { RequestContext } from "../usecases/request-context.ts";

export const nameOfMessage = {
  seq: seqSchema.optional().describe("Place of the message; needs the right to read as well"),
  messageId: idText.optional().describe("Its id, in place of seq"),
};

/** @returns the id of the message; a fault says what to do where there is none */
export async function namedMessage(
  call: RequestContext,
  sessionId: string,
  { seq, messageId }: { readonly seq?: number | undefined; readonly messageId?: string | undefined },
): Promise<string> {
  if (messageId !== undefined) return messageId;
  if (seq === undefined) {
    throw new ThreadkeepError({
      code: "validation_failed",
      detail: "Name the message: give seq or messageId. Nothing was done; search_memory and read_messages tell both.",
      errors: [{ path: "/seq", detail: "is required where there is no messageId" }],
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
