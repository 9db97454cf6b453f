// Another user, who reads one context a few times a second at a fixed pace. It shows how the flood affects others.
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { type Distribution, distributionOf } from "../bench/statistics.ts";

const MESSAGES = 50;
const SESSION = "beside";

/** For each read: its time by the clock, and the time that the runtime's thread worked meanwhile. */
export interface NeighbourRead {
  readonly ms: number;
  /** Null where the system does not report it. */
  readonly workedMs: number | null;
  readonly isAnswered: boolean;
}

export interface NeighbourTimes {
  readonly clock: Distribution | null;
  readonly worked: Distribution | null;
  readonly failures: number;
}

/** What neighbour-thread.ts receives. */
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
    if (status !== 201) throw new Error(`the neighbour's session could not be created: ${status}`);
  }

  /** Resolves after the signal is aborted. The neighbour runs in its own thread, because this one is busy with hostile requests. */
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
