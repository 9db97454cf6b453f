import { modelMessageSchema, validateUIMessages } from "ai";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type ContextFormat, contextFormatSchema } from "../../src/api/context.ts";
import type { ToolApproval } from "../../src/api/message.ts";
import type { Json } from "../../src/api/text.ts";
import { assembleContext } from "../../src/prompt/context.ts";
import { renderContext } from "../../src/prompt/formats.ts";
import { logOf, type SaidMessage } from "../support/agent-chats.ts";
import { inputOf } from "../support/context-arbitraries.ts";

const call = (approval: ToolApproval, toolCallId = "c1") => ({
  type: "tool-call" as const,
  toolCallId,
  toolName: "book",
  input: { nights: 4 },
  approval,
});
const result = (output: Json) => ({ type: "tool-result" as const, toolCallId: "c1", toolName: "book", output });
const ASKED = { id: "a1", requestReason: "It costs 640 euros.", signature: "s" };

function promptOf(format: ContextFormat, ...answers: SaidMessage[]) {
  const log = logOf([{ role: "user", content: "Book four nights." }, ...answers]);
  const context = assembleContext(inputOf({ log, summary: null }, 10_000));
  return renderContext(context, { format, summaryRole: "user" });
}

describe("a user's approval of a tool", () => {
  it.each([true, false])("is given to the SDK while the tool has not run: approved %s", (approved) => {
    const prompt = promptOf("ai-sdk", { role: "assistant", content: [call({ ...ASKED, approved, reason: "Fine." })] });
    if (!("messages" in prompt)) throw new Error("this format has messages");
    expect(z.array(modelMessageSchema).safeParse(prompt.messages).error).toBeUndefined();
    expect(prompt.messages.slice(-2)).toEqual([
      {
        role: "assistant",
        content: [
          { type: "tool-call", toolCallId: "c1", toolName: "book", input: { nights: 4 } },
          {
            type: "tool-approval-request",
            approvalId: "a1",
            toolCallId: "c1",
            reason: "It costs 640 euros.",
            signature: "s",
          },
        ],
      },
      { role: "tool", content: [{ type: "tool-approval-response", approvalId: "a1", approved, reason: "Fine." }] },
    ]);
  });

  it.each<[string, SaidMessage[]]>([
    ["once it has run", [{ role: "assistant", content: [call({ ...ASKED, approved: true }), result({ ok: 1 })] }]],
    ["while it is only asked for", [{ role: "assistant", content: [call(ASKED)] }]],
    [
      "once the chat has gone on",
      [
        { role: "assistant", content: [call({ ...ASKED, approved: true })] },
        { role: "user", content: "Never mind." },
      ],
    ],
  ])("is in no prompt %s", (_, answers) => {
    for (const format of contextFormatSchema.options) {
      if (format === "threadkeep" || format === "ui") continue;
      expect(JSON.stringify(promptOf(format, ...answers)), format).not.toMatch(/approval/);
    }
  });

  it.each<[string, Parameters<typeof call>[0], Json, object]>([
    ["asked for", ASKED, null, { state: "approval-requested", approval: ASKED }],
    [
      "given",
      { ...ASKED, approved: true },
      null,
      { state: "approval-responded", approval: { ...ASKED, approved: true } },
    ],
    [
      "used",
      { ...ASKED, approved: true },
      { type: "json", value: 1 },
      { state: "output-available", output: 1, approval: { approved: true } },
    ],
    [
      "refused",
      { ...ASKED, approved: false },
      { type: "execution-denied" },
      { state: "output-denied", approval: { approved: false } },
    ],
  ])("is shown to a page as the SDK has it: %s", async (_, approval, output, shown) => {
    const content = [call(approval), ...(output === null ? [] : [result(output)])];
    const prompt = promptOf("ui", { role: "assistant", content });
    if (!("messages" in prompt)) throw new Error("this format has messages");
    expect(prompt.messages[1]).toMatchObject({ parts: [shown] });
    await expect(validateUIMessages({ messages: prompt.messages })).resolves.toHaveLength(2);
  });
});
