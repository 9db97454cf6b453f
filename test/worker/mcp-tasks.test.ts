import type { CallToolResult } from "@modelcontextprotocol/client";
import { describe, expect, it, vi } from "vitest";
import { DEFAULT_MCP_TOKENS } from "../../src/api/limits.ts";
import { tools } from "../../src/mcp/tools.ts";
import { estimateTokens } from "../../src/tokens/estimate.ts";
import { countOf } from "../../src/tokens/tokenizers.ts";
import { callTool, mcpClient, textOf } from "../support/worker-mcp.ts";

/**
 * Things that people ask of an agent with a memory, and the calls that a model makes for them that knows the list of tools alone. What
 * a call needs, the user said or a call before it told: never an id that nobody gave.
 */

interface Step {
  readonly tool: string;
  readonly args: Record<string, unknown> | ((before: readonly CallToolResult[]) => Record<string, unknown>);
  readonly tells?: RegExp;
  readonly tellsNot?: RegExp;
}

interface Task {
  /** What the user says. */
  readonly asked: string;
  /** Items are found across sessions once they are archived, moments later. */
  readonly waitsForArchive?: true;
  readonly steps: readonly Step[];
}

const said = (id: string, role: string, content: unknown) => ({ id, role, content });
/** The place that the text of a result names first. */
const placeIn = (result: CallToolResult | undefined): number =>
  Number(/\[message (\d+),/.exec(result === undefined ? "" : textOf(result))?.[1]);
const structured = (result: CallToolResult | undefined): Record<string, unknown> =>
  Object(result?.structuredContent) as Record<string, unknown>;

const LOG = Array.from({ length: 2_500 }, (_, line) => `step ${line}: compiled module ${line}`).join("\n");

const TASKS: readonly Task[] = [
  {
    asked: "I meant Rome, not Oslo. No, forget that: Oslo was right.",
    steps: [
      {
        tool: "append_messages",
        args: {
          sessionId: "journey",
          messages: [said("j1", "user", "We go to Oslo."), said("j2", "assistant", "Oslo it is: take a coat.")],
        },
      },
      {
        tool: "append_messages",
        args: { sessionId: "journey", messages: [{ ...said("j3", "user", "We go to Rome."), afterSeq: 0 }] },
        tells: /The newest is 3/,
      },
      { tool: "get_context", args: { sessionId: "journey" }, tells: /Rome/, tellsNot: /Oslo/ },
      {
        tool: "read_messages",
        args: { sessionId: "journey", branch: "all" },
        tells: /\[message 2, [^\]]*off the branch\] Oslo it is/,
      },
      { tool: "switch_branch", args: { sessionId: "journey", headSeq: 2 }, tells: /now ends with message 2/ },
      { tool: "get_context", args: { sessionId: "journey" }, tells: /take a coat/, tellsNot: /Rome/ },
    ],
  },
  {
    asked: "Remember that I am allergic to nuts, and that my number is 555 0199.",
    steps: [
      {
        tool: "append_messages",
        args: {
          sessionId: "dinner",
          messages: [
            said("t1", "user", "Remember that I am allergic to nuts. We eat on Thursday."),
            said("t2", "user", "My number is 555 0199."),
            said("t3", "assistant", "Noted: no nuts, Thursday, 555 0199."),
          ],
        },
        tells: /Stored 3 in session dinner/,
      },
    ],
  },
  {
    asked: "What must I not eat?",
    steps: [
      { tool: "get_context", args: { sessionId: "dinner", query: "What must I not eat?" }, tells: /allergic to nuts/ },
    ],
  },
  {
    asked: "No, we eat on Friday.",
    steps: [
      {
        tool: "append_messages",
        args: { sessionId: "dinner", messages: [said("t4", "user", "Correction: we eat on Friday, not Thursday.")] },
      },
      { tool: "get_context", args: { sessionId: "dinner" }, tells: /on Thursday[^]*on Friday, not Thursday/ },
    ],
  },
  {
    asked: "Always keep my allergy in mind.",
    steps: [
      { tool: "search_memory", args: { sessionId: "dinner", query: "allergic to nuts" }, tells: /id t1\]/ },
      { tool: "pin_message", args: { sessionId: "dinner", messageId: "t1" }, tells: /Message 1 \(id t1\).* is pinned/ },
      {
        tool: "pin_message",
        args: { sessionId: "dinner", messageId: "t1", pinned: false },
        tells: /is not pinned any more/,
      },
      { tool: "pin_message", args: { sessionId: "dinner", messageId: "t1" }, tells: /is pinned/ },
    ],
  },
  {
    asked: "Forget my phone number.",
    steps: [
      { tool: "search_memory", args: { sessionId: "dinner", query: "555 0199" }, tells: /id t2\]/ },
      { tool: "erase_message", args: ([found]) => ({ sessionId: "dinner", seq: placeIn(found) }) },
      { tool: "search_memory", args: { sessionId: "dinner", query: "555 0199" }, tells: /555 0199/ },
      // The assistant repeated it, as the description of the tool says.
      { tool: "erase_message", args: (before) => ({ sessionId: "dinner", seq: placeIn(before[2]) }) },
      { tool: "read_messages", args: { sessionId: "dinner" }, tells: /\(erased\)/, tellsNot: /0199/ },
    ],
  },
  {
    asked: "From now on, always answer in metric units.",
    steps: [
      {
        tool: "append_messages",
        args: { sessionId: "kitchen", messages: [said("k1", "developer", "Always answer in metric units.")] },
      },
      {
        tool: "append_messages",
        args: {
          sessionId: "kitchen",
          messages: Array.from({ length: 12 }, (_, at) =>
            said(
              `k${at + 2}`,
              at % 2 === 0 ? "user" : "assistant",
              `Point ${at}: we decided to order ${at + 3} crates.`,
            ),
          ),
        },
      },
      { tool: "summarize_session", args: { sessionId: "kitchen", keepRecentTokens: 0 }, tells: /The summary is made/ },
      { tool: "get_context", args: { sessionId: "kitchen" }, tells: /Always answer in metric units/ },
    ],
  },
  {
    asked: "Let us go on with yesterday's chat about the kitchen.",
    steps: [
      { tool: "list_sessions", args: {}, tells: /\[session kitchen, created / },
      { tool: "get_context", args: { sessionId: "kitchen" }, tells: /<conversation_summary>/ },
      { tool: "append_messages", args: { sessionId: "kitchen", messages: [said("k20", "user", "Where were we?")] } },
    ],
  },
  {
    asked: "What did we decide about the crates, whichever chat that was?",
    waitsForArchive: true,
    steps: [
      { tool: "search_memory", args: { query: "crates" }, tells: /\[session kitchen, [^\]]*from messages \d+/ },
      {
        tool: "read_messages",
        args: ([found]) => {
          const [hit] = structured(found)["hits"] as { sessionId: string; seqs: number[] }[];
          return { sessionId: hit?.sessionId, afterSeq: (hit?.seqs[0] ?? 0) - 1, limit: 1 };
        },
        tells: /we decided to order \d+ crates/,
      },
    ],
  },
  {
    asked: "What does the end of that build log say?",
    steps: [
      {
        tool: "append_messages",
        args: {
          sessionId: "build",
          messages: [
            said("b1", "user", "Run the build, and look at migrations/0009_tenants.sql."),
            said("b2", "assistant", [
              { type: "tool-call", toolCallId: "c1", toolName: "shell", input: { run: "build" } },
            ]),
            said("b3", "tool", [
              { type: "tool-result", toolCallId: "c1", toolName: "shell", output: `${LOG}\nERROR: out of memory` },
            ]),
          ],
        },
      },
      { tool: "get_context", args: { sessionId: "build" }, tells: /ERROR: out of memory/ },
      {
        tool: "read_messages",
        args: { sessionId: "build", afterSeq: 2 },
        tells: /For more: read_messages with afterSeq 2 and/,
      },
      {
        tool: "read_messages",
        args: (before) => ({ sessionId: "build", ...(structured(before[2])["next"] as object) }),
        tells: /message 3, tool, [^\]]+, from character \d+\]/,
      },
    ],
  },
  {
    asked: "In which message did I name the tenants migration?",
    steps: [
      {
        tool: "search_memory",
        args: { sessionId: "build", query: "0009_tenants.sql" },
        tells: /\[message 1, user, .*id b1\]/,
      },
    ],
  },
  {
    asked: "Try it with less memory, from before the build on, and leave this chat as it is.",
    steps: [
      {
        tool: "fork_session",
        args: { sessionId: "build", throughSeq: 1, newSessionId: "build-small" },
        tells: /Append to build-small/,
      },
      {
        tool: "append_messages",
        args: { sessionId: "build-small", messages: [said("s1", "user", "Use one worker.")] },
        tells: /The newest is 2/,
      },
      { tool: "get_context", args: { sessionId: "build" }, tellsNot: /one worker/ },
    ],
  },
];

async function expectDone(
  call: (step: Step, before: readonly CallToolResult[]) => Promise<CallToolResult>,
  task: Task,
) {
  const results: CallToolResult[] = [];
  for (const step of task.steps) {
    const result = await call(step, results);
    const text = textOf(result);
    const place = `${task.asked} ${step.tool}: ${text.slice(0, 500)}`;
    expect(result.isError, place).not.toBe(true);
    if (step.tells !== undefined) expect(text, place).toMatch(step.tells);
    if (step.tellsNot !== undefined) expect(text, place).not.toMatch(step.tellsNot);
    // Small without being asked, so that it fits into a long conversation.
    expect(countOf(estimateTokens(text), "claude"), place).toBeLessThan(DEFAULT_MCP_TOKENS * 1.15);
    results.push(result);
  }
}

describe("an agent that knows only the list of tools", () => {
  it("does what people ask of it, eleven things, with every tool", async () => {
    const client = await mcpClient({ user: `tasks-${crypto.randomUUID()}` });
    const used = new Set<string>();
    const call = (step: Step, before: readonly CallToolResult[]): Promise<CallToolResult> => {
      used.add(step.tool);
      return callTool(client, step.tool, typeof step.args === "function" ? step.args(before) : step.args);
    };
    for (const task of TASKS) {
      if (task.waitsForArchive !== true) await expectDone(call, task);
      else await vi.waitFor(() => expectDone(call, task), { timeout: 20_000, interval: 200 });
    }
    expect([...used].toSorted()).toEqual(tools.map(({ name }) => name).toSorted());
  });
});
