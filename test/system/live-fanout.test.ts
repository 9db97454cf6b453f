import { expect, it } from "vitest";
import { MAX_OWN_SOCKETS } from "../../src/api/limits.ts";
import { runFanout } from "../../tools/live/fanout.ts";
import { sharedService } from "../support/service.ts";

/** Some of them are kept by a fan-out object. */
const SOCKETS = MAX_OWN_SOCKETS + 20;

it("all reading sockets of a session receive all appends in order, although another socket never reads", async () => {
  const { url, apiKey } = sharedService();
  const session = `watched-${crypto.randomUUID()}`;
  const report = await runFanout(() => ({ url, apiKey, session }), {
    sockets: SOCKETS,
    appendsPerSecond: 50,
    warmUpSeconds: 1,
    seconds: 2,
    idleSeconds: 0,
    runtimePid: undefined,
    heap: undefined,
    signal: new AbortController().signal,
    onProgress: () => undefined,
    onMemory: () => undefined,
  });
  expect(report.faults).toEqual([]);
  expect(report).toMatchObject({ appends: 150, deliveries: 150 * (SOCKETS - 1) });
}, 180_000);
