// The heap of the Worker's isolate, through workerd's inspector (the Chrome DevTools protocol).
import { z } from "zod";

/** Miniflare's name for the isolate of the Worker. */
const ISOLATE = "core:user:threadkeep";
const ANSWER_TIMEOUT_MS = 5_000;
const MIB = 2 ** 20;

const targetsSchema = z.array(z.object({ id: z.string(), webSocketDebuggerUrl: z.string() }));
const answerSchema = z.object({ id: z.number(), result: z.unknown() });
const usageSchema = z.object({ usedSize: z.number() });

export interface InspectedHeap {
  /** Collects garbage and returns the remaining heap in MiB. Rejects if nothing answers, as while the isolate is idle. */
  collect(): Promise<number>;
  close(): void;
}

/** @param port of workerd's inspector, on this machine */
export async function inspectHeap(port: number): Promise<InspectedHeap> {
  const list = await fetch(`http://127.0.0.1:${port}/json`);
  const target = targetsSchema.parse(await list.json()).find(({ id }) => id === ISOLATE);
  if (target === undefined) throw new Error(`workerd's inspector on port ${port} knows no isolate ${ISOLATE}`);
  const socket = new WebSocket(target.webSocketDebuggerUrl);
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve, { once: true });
    socket.addEventListener("error", () => reject(new Error("workerd's inspector accepts no connection")), {
      once: true,
    });
  });
  let asked = 0;
  const ask = (method: string): Promise<unknown> => {
    asked += 1;
    const id = asked;
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        socket.removeEventListener("message", take);
      };
      const timer = setTimeout(() => {
        done();
        reject(new Error(`workerd's inspector did not answer ${method} in ${ANSWER_TIMEOUT_MS} ms`));
      }, ANSWER_TIMEOUT_MS);
      const take = ({ data }: MessageEvent): void => {
        const answer = answerSchema.safeParse(JSON.parse(String(data)));
        if (!answer.success || answer.data.id !== id) return;
        done();
        resolve(answer.data.result);
      };
      socket.addEventListener("message", take);
      socket.send(JSON.stringify({ id, method }));
    });
  };
  const collect = async (): Promise<number> => {
    await ask("HeapProfiler.collectGarbage");
    const { usedSize } = usageSchema.parse(await ask("Runtime.getHeapUsage"));
    return Math.round((10 * usedSize) / MIB) / 10;
  };
  let before: Promise<unknown> = Promise.resolve();
  return {
    // One call after the other, because the inspector may not answer calls that come while it is busy.
    collect() {
      const collected = before.then(collect);
      before = collected.catch(() => undefined);
      return collected;
    },
    close: () => socket.close(),
  };
}
