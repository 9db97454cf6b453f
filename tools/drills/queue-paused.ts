import { LOCAL_TENANT } from "../../scripts/dev/keys.ts";
import type { Drill } from "./drill.ts";
import { check, until } from "./fault.ts";
import { holdQueues, releaseQueues, sendBodies } from "./levers.ts";
import { hasSummaries } from "./sessions.ts";

/** This many waiting messages are a backlog at once; with fewer the alert takes a minute. */
const FLOOD = 5_100;
const WHOLE_PAUSE_MS = 75_000;

/**
 * No delivery, as after `wrangler queues pause-delivery`. The local simulator cannot pause a queue, but it gives a consumer one batch at a
 * time, and this drill holds that batch. Meanwhile the queues accept messages and deliver none.
 */
export const queuePaused: Drill = {
  name: "queue-paused",
  says: "the queues deliver nothing for a while",
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
    await until("the chats continue", () => (load.acknowledged() > before + load.chats.length ? true : undefined));
    check(
      load.unanswered() === 0,
      `${load.unanswered()} requests of the chats failed, though only the queues were paused`,
    );
    saw(`${load.acknowledged() - before} messages were acknowledged meanwhile, no request failed`);
    await releaseQueues(service());
    saw("the queues deliver again");
    await checkLoad(load);
    const kinds = await bell.over("queue-backlog");
    saw(`over; each alert was sent once when it started and once when it ended: ${kinds.join(", ")}`);
  },
};

/** A repeated delivery of a job that was done long ago. It changes nothing. */
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
