import { LOCAL_TENANT } from "../../scripts/dev/keys.ts";
import type { Drill } from "./drill.ts";
import { check, until } from "./fault.ts";
import { holdQueues, releaseQueues, sendBodies } from "./levers.ts";
import { hasSummaries } from "./sessions.ts";

/** So many that wait are a backlog at once; else one has to wait for a minute. */
const FLOOD = 5_100;
const WHOLE_PAUSE_MS = 75_000;

/**
 * No delivery, as after `wrangler queues pause-delivery`: the local simulator has none, but gives a consumer one batch at a time, and this
 * one is held. Bodies are taken by the queues meanwhile, and none is delivered.
 */
export const queuePaused: Drill = {
  name: "queue-paused",
  says: "the queues deliver nothing, and then go on",
  async run({ isShort, bell, service, load: startLoad, plant, saw, checkLoad }) {
    await plant("levers");
    const load = await startLoad();
    await until("each chat has a summary", () => hasSummaries(service(), load.chats, 1));
    const before = load.acknowledged();
    await holdQueues(service());
    saw("the queues deliver nothing");
    if (isShort) await sendBodies(service(), "ARCHIVE_QUEUE", Array.from({ length: FLOOD }, lateBody));
    else await bell.lookFor(WHOLE_PAUSE_MS);
    await bell.started("queue-backlog");
    saw("the alert queue-backlog has started");
    await until("the chats go on", () => (load.acknowledged() > before + load.chats.length ? true : undefined));
    check(
      load.unanswered() === 0,
      `${load.unanswered()} requests of the chats failed, though the queues alone stood still`,
    );
    saw(`${load.acknowledged() - before} messages were acknowledged meanwhile, no request failed`);
    await releaseQueues(service());
    saw("the queues deliver again");
    await checkLoad(load);
    const kinds = await bell.over("queue-backlog");
    saw(`over, each told once at its start and once at its end: ${kinds.join(", ")}`);
  },
};

/** A repeated delivery of a job that was done long ago: it changes nothing. */
function lateBody(): unknown {
  return {
    v: 1,
    kind: "archive",
    tenant: LOCAL_TENANT,
    owner: "-",
    session: "of-long-ago",
    epoch: "of-long-ago",
    throughSeq: 1,
    jobId: "of-long-ago",
    sends: 1,
  };
}
