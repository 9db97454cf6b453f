import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { identifyProcess, killTrees } from "../../scripts/dev/processes.ts";
import type { AgentBehaviour, FromAgent, ToAgent } from "./foreign-agent.ts";
import type { FinishHook } from "./service.ts";

const PROGRAM = fileURLToPath(new URL("foreign-agent.ts", import.meta.url));

type AgentCall = Omit<Extract<FromAgent, { type: "called" }>, "type">;

export interface ForeignAgent {
  /** As SUMMARIZER_MCP_URL has it. */
  readonly url: string;
  readonly token: string;
  /** In the order they came in. */
  readonly calls: readonly AgentCall[];
  /** Forgets the calls so far, those that only looked whether it is there. */
  forgetCalls(): void;
  /** What it does from now on, and the token it takes. */
  change(behaviour: AgentBehaviour, token?: string): void;
  /** As a crash would: whoever calls is refused the connection. */
  kill(): Promise<void>;
  /** Starts it again, on the same port. */
  restart(): Promise<void>;
}

/** Starts the agent as a process of its own, on a free port; it ends with the test. */
export async function startForeignAgent(behaviour: AgentBehaviour, onFinished: FinishHook): Promise<ForeignAgent> {
  const token = `agent-${crypto.randomUUID()}`;
  const calls: AgentCall[] = [];
  let child: ChildProcess;
  let port = 0;

  function change(next: AgentBehaviour, nextToken = token): void {
    const message: ToAgent = { behaviour: next, token: nextToken };
    child.send(message);
  }

  async function start(): Promise<void> {
    child = fork(PROGRAM, [token, String(port)], { execArgv: ["--disable-warning=ExperimentalWarning"] });
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
