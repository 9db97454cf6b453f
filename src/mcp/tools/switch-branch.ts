import { z } from "zod";
import { branchRequestSchema } from "../../api/session.ts";
import { switchBranch } from "../../usecases/sessions.ts";
import { defineTool, sessionArgument } from "../tool.ts";

const { headSeq } = branchRequestSchema.shape;

export const switchBranchTool = defineTool({
  name: "switch_branch",
  title: "Switch to another branch",
  description:
    "Makes the branch that ends with headSeq the active one. A session branches when a message is appended with afterSeq; the messages that it replaced are then in no context, search or summary. Call this when the user wants them back; read_messages with branch all lists every message.",
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  actions: ["switchBranch"],
  input: z.strictObject({
    sessionId: sessionArgument,
    headSeq: headSeq.describe("seq of the last message of the branch to activate"),
  }),
  output: z.object({
    sessionId: z.string(),
    headSeq: z.int().describe("seq of the last message of the active branch"),
    lastSeq: z.int().describe("seq of the newest message on any branch"),
  }),
  async run({ call }, { sessionId, ...request }) {
    const session = await switchBranch(call, sessionId, request);
    return {
      structured: { sessionId, headSeq: session.headSeq, lastSeq: session.lastSeq },
      text: `The active branch of session ${sessionId} now ends with message ${session.headSeq}; the next append follows it.`,
    };
  },
});
