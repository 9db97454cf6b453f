// Another user who reads one context a few times a second, at a pace that waits for nobody: what the flood does to them.
import { type Distribution, distributionOf } from "../bench/statistics.ts";

const READS_PER_SECOND = 5;
const MESSAGES = 50;
const SESSION = "beside";

export class Neighbour {
  readonly #url: string;
  readonly #headers: Record<string, string>;
  /** Reads that were refused or failed. */
  failures = 0;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  }

  async prepare(): Promise<void> {
    const messages = Array.from({ length: MESSAGES }, (_, at) => ({ role: "user", content: `What I said at ${at}.` }));
    const body = JSON.stringify({ messages });
    const path = `${this.#url}/v1/sessions/${SESSION}/messages`;
    const { status } = await fetch(path, { method: "POST", headers: this.#headers, body });
    if (status !== 201) throw new Error(`the neighbour's session was not made: ${status}`);
  }

  /** Each read counts from when it was due. Resolves once the signal is given. */
  async readUntil(signal: AbortSignal): Promise<Distribution | null> {
    const times: number[] = [];
    const beganAt = performance.now();
    const sent: Promise<void>[] = [];
    for (let index = 0; !signal.aborted; index += 1) {
      const dueAt = beganAt + (index * 1_000) / READS_PER_SECOND;
      await new Promise((resolve) => {
        setTimeout(resolve, Math.max(0, dueAt - performance.now()));
      });
      sent.push(this.#read(dueAt, times));
    }
    await Promise.all(sent);
    return distributionOf(times);
  }

  async #read(dueAt: number, times: number[]): Promise<void> {
    try {
      const answer = await fetch(`${this.#url}/v1/sessions/${SESSION}/context`, { headers: this.#headers });
      await answer.arrayBuffer();
      if (!answer.ok) this.failures += 1;
    } catch {
      // Counted: it is the figure that is told.
      this.failures += 1;
    }
    times.push(performance.now() - dueAt);
  }
}
