import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { identifyProcess, killTrees } from "../../scripts/dev/processes.ts";
import type { AgentBehaviour, FromAgent, ToAgent } from "./foreign-agent.ts";
import type { FinishHook } from "./service.ts";

const PROGRAM = fileURLToPath(new URL("foreign-agent.ts", import.meta.url));

type AgentCall = Omit<Extract<FromAgent, { type: "called" }>, "type">;

export interface ForeignAgent {
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
