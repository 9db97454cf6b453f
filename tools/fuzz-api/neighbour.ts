// Another user who reads one context a few times a second, at a pace that waits for nobody: what the flood does to them.
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { type Distribution, distributionOf } from "../bench/statistics.ts";

const MESSAGES = 50;
const SESSION = "beside";

/** Of each read: what it took by the clock, and what the runtime's thread worked meanwhile. */
export interface NeighbourRead {
  readonly ms: number;
  /** Null where the system does not say. */
  readonly workedMs: number | null;
  readonly isAnswered: boolean;
}

export interface NeighbourTimes {
  readonly clock: Distribution | null;
  readonly worked: Distribution | null;
  readonly failures: number;
}

/** What neighbour-thread.ts is told. */
export interface NeighbourOrder {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly runtimePid: number | undefined;
}

export class Neighbour {
  readonly #order: NeighbourOrder;

  constructor(host: { readonly url: string; readonly runtimePid: number | undefined }, token: string) {
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
    const url = `${host.url}/v1/sessions/${SESSION}`;
    this.#order = { url, headers, runtimePid: host.runtimePid };
  }

  async prepare(): Promise<void> {
    const messages = Array.from({ length: MESSAGES }, (_, at) => ({ role: "user", content: `What I said at ${at}.` }));
    const { url, headers } = this.#order;
    const { status } = await fetch(`${url}/messages`, { method: "POST", headers, body: JSON.stringify({ messages }) });
    if (status !== 201) throw new Error(`the neighbour's session was not made: ${status}`);
  }

  /** Resolves once the signal is given. In a thread of its own: who makes hostile requests is busy with that. */
  async readUntil(signal: AbortSignal): Promise<NeighbourTimes> {
    const thread = new Worker(new URL("neighbour-thread.ts", import.meta.url), { workerData: this.#order });
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread of Node has no origin
    const stop = (): void => thread.postMessage("stop");
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
    const [reads]: NeighbourRead[][] = await once(thread, "message");
    return timesOf(reads ?? []);
  }
}

function timesOf(reads: readonly NeighbourRead[]): NeighbourTimes {
  return {
    clock: distributionOf(reads.map(({ ms }) => ms)),
    worked: distributionOf(reads.flatMap(({ workedMs }) => workedMs ?? [])),
    failures: reads.filter(({ isAnswered }) => !isAnswered).length,
  };
}
