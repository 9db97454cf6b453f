import { z } from "zod";
import { forkRequestSchema } from "../../api/session.ts";
import { forkSession } from "../../usecases/sessions.ts";
import { defineTool, sessionArgument } from "../tool.ts";

const { id, throughSeq, metadata } = forkRequestSchema.shape;

export const forkSessionTool = defineTool({
  name: "fork_session",
  title: "Branch off a session",
  description:
    "Copies the messages of a session, all of them or up to a message, to a new session; the original stays unchanged. Call it to try another continuation from some point of the conversation: append to the new session from then on.",
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
  actions: ["forkSession"],
  input: z.strictObject({
    sessionId: sessionArgument,
    throughSeq,
    newSessionId: id.describe("Id of the new session; with it, repeating the call changes nothing"),
    metadata,
  }),
  output: z.object({
    sessionId: z.string().describe("The new session"),
    created: z.boolean().describe("false: the session existed already"),
    headSeq: z.int(),
    status: z.enum(["active", "copying"]).describe("copying: not complete yet; use it in a few seconds"),
  }),
  async run({ call }, { sessionId, newSessionId, throughSeq: through, metadata: own }) {
    const { session, created } = await forkSession(call, sessionId, {
      ...(newSessionId === undefined ? {} : { id: newSessionId }),
      ...(through === undefined ? {} : { throughSeq: through }),
      ...(own === undefined ? {} : { metadata: own }),
    });
    const { headSeq, status } = session;
    return {
      structured: { sessionId: session.id, created, headSeq, status },
      text:
        status === "copying"
          ? `Session ${session.id} is being copied from ${sessionId}. Use it in a few seconds.`
          : `Session ${session.id} ${created ? "was copied" : "existed already, copied"} from ${sessionId}, with ${headSeq} messages. Append to ${session.id} from now on.`,
    };
  },
});
