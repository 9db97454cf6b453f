import { z } from "zod";
import { branchRequestSchema } from "../../api/session.ts";
import { switchBranch } from "../../usecases/sessions.ts";
import { defineTool, sessionArgument } from "../tool.ts";

const { headSeq } = branchRequestSchema.shape;

export const switchBranchTool = defineTool({
  name: "switch_branch",
  title: "Go back to another branch",
  description:
    "Makes the branch that ends with headSeq the active one. A session branches where a message is appended with afterSeq; what stood behind is in no context, search or summary. Call it when the user wants that back; read_messages with branch all tells what there is.",
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  actions: ["switchBranch"],
  input: z.strictObject({
    sessionId: sessionArgument,
    headSeq: headSeq.describe("Place of the last message of the branch that is wanted"),
  }),
  output: z.object({
    sessionId: z.string(),
    headSeq: z.int().describe("Place of the last message of the active branch"),
    lastSeq: z.int().describe("Place of the newest message, on whichever branch"),
  }),
  async run({ call }, { sessionId, ...request }) {
    const session = await switchBranch(call, sessionId, request);
    return {
      structured: { sessionId, headSeq: session.headSeq, lastSeq: session.lastSeq },
      text: `The active branch of session ${sessionId} ends with message ${session.headSeq} now; what is appended next follows that.`,
    };
  },
});
