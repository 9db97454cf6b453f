import { z } from "zod";
import { forkRequestSchema } from "../../api/session.ts";
import { forkSession } from "../../usecases/sessions.ts";
import { defineTool, sessionArgument } from "../tool.ts";

const { id, throughSeq, metadata } = forkRequestSchema.shape;

export const forkSessionTool = defineTool({
  name: "fork_session",
  title: "Branch off a session",
  description:
    "Makes a new session of another one's messages, all of them or up to a place, and leaves the other as it is. Call it to try another way from a point of the conversation on: append to the new session from then on.",
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
    created: z.boolean().describe("false: it was there already"),
    headSeq: z.int(),
    status: z.enum(["active", "copying"]).describe("copying: ask for it again in a few seconds"),
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
          : `Session ${session.id} ${created ? "was made" : "was there already, made"} of ${sessionId}, with ${headSeq} messages. Append to ${session.id} from now on.`,
    };
  },
});
