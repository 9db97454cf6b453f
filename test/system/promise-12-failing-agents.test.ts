import { describe, expect, it } from "vitest";
import { type ForeignAgent, startForeignAgent } from "../support/foreign-agent-process.ts";
import type { AgentBehaviour } from "../support/foreign-agent.ts";
import { type FinishHook, sharedService, startOwnService } from "../support/service.ts";
import { liveThrough } from "../support/summarizer-outage.ts";

const TIMEOUT_SECONDS = 2;

const TIMEOUT_MS = 180_000;

async function startWith(agent: ForeignAgent, onFinished: FinishHook, token = agent.token) {
  const env = {
    SUMMARIZER_MCP_URL: agent.url,
    SUMMARIZER_MCP_TOKEN: token,
    SUMMARIZER_TIMEOUT_SECONDS: String(TIMEOUT_SECONDS),
  };
  const service = await startOwnService({ databaseUrl: sharedService().databaseUrl, env }, onFinished);
  // A start asks the agent whether it is there.
  agent.forgetCalls();
  return service;
}

/** No message was given to the agent in two calls that it answered well. */
function expectNothingTwice({ calls }: ForeignAgent): void {
  const answered = calls.filter(({ does }) => does === "quote").flatMap(({ seqs }) => seqs);
  expect(answered).not.toEqual([]);
  expect(answered).toEqual([...new Set(answered)]);
}

const FAULTS: { name: string; behaviour: AgentBehaviour; reason: string; calls: number }[] = [
  { name: "whose tool fails", behaviour: { does: "fail" }, reason: "summarizer tool_error", calls: 3 },
  { name: "that hangs", behaviour: { does: "hang" }, reason: "summarizer timeout", calls: 3 },
  {
    name: "whose answers have another shape",
    behaviour: { does: "misshape" },
    reason: "summarizer invalid_answer",
    calls: 1,
  },
  {
    name: "that breaks off in the middle of its answers",
    behaviour: { does: "break-off" },
    reason: "summarizer unreachable",
    calls: 3,
  },
  {
    name: "that is overloaded and answers 503",
    behaviour: { does: "refuse", status: 503, headers: { "retry-after": "3" } },
    reason: "summarizer unreachable",
    calls: 3,
  },
];

// Side by side, each with a service of its own: most of their time is pauses between attempts.
describe.concurrent("promise 12: a chat outlives an agent of somebody else", () => {
  it.for(FAULTS)("$name", { timeout: TIMEOUT_MS }, async ({ behaviour, reason, calls }, { onTestFinished }) => {
    const agent = await startForeignAgent(behaviour, onTestFinished);
    await liveThrough(await startWith(agent, onTestFinished), {
      session: `chat-${crypto.randomUUID()}`,
      reason,
      summarizer: "foreign/quoting",
      atMakeshift: () => expect(agent.calls).toHaveLength(calls),
      heal: () => agent.change({ does: "quote" }),
    });
    expectNothingTwice(agent);
  });

  it("that is gone, and is back on the same port later", { timeout: TIMEOUT_MS }, async ({ onTestFinished }) => {
    const agent = await startForeignAgent({ does: "quote" }, onTestFinished);
    const service = await startWith(agent, onTestFinished);
    await agent.kill();
    await liveThrough(service, {
      session: `chat-${crypto.randomUUID()}`,
      reason: "summarizer unreachable",
      summarizer: "foreign/quoting",
      atMakeshift: () => expect(agent.calls).toEqual([]),
      heal: () => agent.restart(),
    });
    expectNothingTwice(agent);
  });

  it(
    "that does not take our token, and tells nobody what was said",
    { timeout: TIMEOUT_MS },
    async ({ onTestFinished }) => {
      const agent = await startForeignAgent({ does: "quote" }, onTestFinished);
      const token = "the-token-of-yesterday";
      const service = await startWith(agent, onTestFinished, token);
      await liveThrough(service, {
        session: `chat-${crypto.randomUUID()}`,
        reason: "summarizer refused",
        summarizer: "foreign/quoting",
        // Turned away once, and not three times: another attempt would change nothing.
        atMakeshift: () => expect(agent.calls.map(({ does }) => does)).toEqual(["turned-away"]),
        heal: () => agent.change({ does: "quote" }, token),
      });
      expectNothingTwice(agent);
    },
  );
});
