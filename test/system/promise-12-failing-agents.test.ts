import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { identifyProcess, killTrees } from "../../scripts/dev/processes.ts";
import type { AgentBehaviour, FromAgent, ToAgent } from "../support/foreign-agent.ts";
import { type FinishHook, sharedService, startOwnService } from "../support/service.ts";
import { liveThrough, named } from "../support/summarizer-outage.ts";

const AGENT_PROGRAM = fileURLToPath(new URL("../support/foreign-agent.ts", import.meta.url));

type AgentCall = Omit<Extract<FromAgent, { type: "called" }>, "type">;

interface ForeignAgent {
  /** The value for SUMMARIZER_MCP_URL. */
  readonly url: string;
  readonly token: string;
  /** In order of arrival. */
  readonly calls: readonly AgentCall[];
  /** Forgets the calls so far, including those that only checked whether it is there. */
  forgetCalls(): void;
  /** Sets what it does from now on, and the token it accepts. */
  change(behaviour: AgentBehaviour, token?: string): void;
  /** Makes it refuse connections, as after a crash. */
  kill(): Promise<void>;
  /** Starts it again, on the same port. */
  restart(): Promise<void>;
}

/** Starts the agent as a process of its own, on a free port. It ends with the test. */
async function startForeignAgent(behaviour: AgentBehaviour, onFinished: FinishHook): Promise<ForeignAgent> {
  const token = `agent-${crypto.randomUUID()}`;
  const calls: AgentCall[] = [];
  let child: ChildProcess;
  let port = 0;

  function change(next: AgentBehaviour, nextToken = token): void {
    const message: ToAgent = { behaviour: next, token: nextToken };
    child.send(message);
  }

  async function start(): Promise<void> {
    child = fork(AGENT_PROGRAM, [token, String(port)], { execArgv: ["--disable-warning=ExperimentalWarning"] });
    port = await new Promise<number>((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`the agent ended with code ${code} before it listened`)));
      child.on("message", (message: FromAgent) => {
        if (message.type === "listening") resolve(message.port);
        else calls.push({ does: message.does, seqs: message.seqs });
      });
    });
  }

  async function kill(): Promise<void> {
    const identity = child.pid === undefined ? null : identifyProcess(child.pid);
    if (identity === null || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    await killTrees([identity]);
    await exited;
  }

  onFinished(kill);
  await start();
  change(behaviour);
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    token,
    calls,
    forgetCalls: () => {
      calls.length = 0;
    },
    change,
    kill,
    restart: start,
  };
}

const TIMEOUT_SECONDS = 2;
/** For the outages of one row, one after the other. */
const TIMEOUT_MS = 540_000;

interface Fault {
  /** What is wrong with the agent. */
  readonly name: string;
  readonly reason: string;
  /** How often the agent is called before the chat has a fallback summary. */
  readonly calls: readonly string[];
  readonly begin: (agent: ForeignAgent) => Promise<void> | void;
  readonly heal: (agent: ForeignAgent) => Promise<void> | void;
}

function behaves(name: string, behaviour: AgentBehaviour, reason: string, calls: number): Fault {
  return {
    name,
    reason,
    calls: Array.from({ length: calls }, () => behaviour.does),
    begin: (agent) => agent.change(behaviour),
    heal: (agent) => agent.change({ does: "quote" }),
  };
}

/** The rows run in parallel, because most of the time passes between attempts. The faults of one row share an agent and a service, which recover in between. */
const ROWS: readonly (readonly Fault[])[] = [
  [
    {
      name: "does not take our token, and tells nobody what was said",
      reason: "summarizer refused",
      // Called once and not three times, because another attempt would be refused as well.
      calls: ["unauthenticated"],
      begin: (agent) => agent.change({ does: "quote" }, "the-token-of-tomorrow"),
      heal: (agent) => agent.change({ does: "quote" }),
    },
    behaves("fails in its tool", { does: "fail" }, "summarizer tool_error", 3),
  ],
  [
    behaves("hangs", { does: "hang" }, "summarizer timeout", 3),
    {
      name: "is gone, and is back on the same port later",
      reason: "summarizer unreachable",
      calls: [],
      begin: (agent) => agent.kill(),
      heal: (agent) => agent.restart(),
    },
  ],
  [
    behaves("answers in another shape", { does: "misshape" }, "summarizer invalid_answer", 1),
    behaves("breaks off in the middle of its answers", { does: "break-off" }, "summarizer unreachable", 3),
    behaves(
      "is overloaded and answers 503",
      { does: "refuse", status: 503, headers: { "retry-after": "3" } },
      "summarizer unreachable",
      3,
    ),
  ],
];

async function startWith(agent: ForeignAgent, onFinished: FinishHook) {
  const env = {
    SUMMARIZER_MCP_URL: agent.url,
    SUMMARIZER_MCP_TOKEN: agent.token,
    SUMMARIZER_TIMEOUT_SECONDS: String(TIMEOUT_SECONDS),
  };
  return startOwnService({ databaseUrl: sharedService().databaseUrl, env }, onFinished);
}

/** No message was part of two calls that the agent answered successfully. */
function expectNothingTwice({ calls }: ForeignAgent): void {
  const answered = calls.filter(({ does }) => does === "quote").flatMap(({ seqs }) => seqs);
  expect(answered).not.toEqual([]);
  expect(answered).toEqual([...new Set(answered)]);
}

/** Runs one outage after the other, and returns their names. */
async function surviveFaults(faults: readonly Fault[], onFinished: FinishHook): Promise<string[]> {
  const survived: string[] = [];
  const agent = await startForeignAgent({ does: "quote" }, onFinished);
  // The first fault exists before the service starts, and a starting service checks that the agent is there.
  await faults[0]?.begin(agent);
  const service = await startWith(agent, onFinished);
  for (const { name, reason, calls, begin, heal } of faults) {
    if (name !== faults[0]?.name) await begin(agent);
    agent.forgetCalls();
    const outage = {
      session: `chat-${crypto.randomUUID()}`,
      reason,
      summarizer: "foreign/quoting",
      atFallback: () => expect(agent.calls.map(({ does }) => does)).toEqual(calls),
      heal: () => heal(agent),
    };
    await named(name, async () => {
      await liveThrough(service, outage);
      expectNothingTwice(agent);
    });
    survived.push(name);
  }
  return survived;
}

describe.concurrent("promise 12: a chat survives failures of an external agent", () => {
  it.for(ROWS.map((faults) => ({ faults, title: faults.map(({ name }) => name).join(", then ") })))(
    "that $title",
    { timeout: TIMEOUT_MS },
    async ({ faults }, { onTestFinished }) => {
      expect(await surviveFaults(faults, onTestFinished)).toEqual(faults.map(({ name }) => name));
    },
  );
});
