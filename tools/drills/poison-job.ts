import { queryDatabase } from "./check-kept.ts";
import type { Drill } from "./drill.ts";
import { dropFailure, readFailures, retryFailure } from "./failed-jobs.ts";
import { check, until } from "./fault.ts";
import { sendBodies } from "./levers.ts";
import { send, type Target } from "./requests.ts";

/** Each session schedules a summary and its archiving: two good jobs. */
const SESSIONS = { short: 25, whole: 500 };
const AT_ONCE = 5;
/** A body of a form that no version ever had. */
const POISON = { v: 99, kind: "drill", note: "nobody understands this" };

/** A body that no consumer understands is redelivered by itself, delays no other job, and ends on the list, where an operator drops it. */
export const poisonJob: Drill = {
  name: "poison-job",
  says: "a body that no consumer understands in each queue, among a thousand good jobs",
  async run({ isShort, bell, service, load: startLoad, plant, saw, checkLoad }) {
    await plant("levers");
    const load = await startLoad();
    const prefix = `poisoned-${crypto.randomUUID()}`;
    const count = isShort ? SESSIONS.short : SESSIONS.whole;
    const ids = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
    const waiting = [...ids];
    const work = async (): Promise<void> => {
      for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) await scheduleJobs(service(), id);
    };
    const scheduling = Promise.all(Array.from({ length: AT_ONCE }, work));
    await sendBodies(service(), "SUMMARIZE_QUEUE", [POISON]);
    await sendBodies(service(), "ARCHIVE_QUEUE", [{ ...POISON, note: "nor this" }]);
    await scheduling;
    saw(
      `two bodies that no consumer understands are in the queues, among ${2 * count} good jobs and those of the chats`,
    );
    await until("all good jobs are done", async () => {
      const rows = await queryDatabase(
        service().databaseUrl,
        "select 1 from sessions join summaries using (epoch) where starts_with(session, $1)",
        [prefix],
      );
      return rows.length === count ? true : undefined;
    });
    saw("all good jobs are done: each session has its summary, and so has the archive");
    await bell.started("jobs-failing");
    const poison = await until("both are listed", async () => {
      const listed = (await readFailures(service())).filter(({ state }) => state === "unknown");
      return listed.length === 2 ? listed : undefined;
    });
    saw(`the alert jobs-failing has started, and the list has both: ${poison[0]?.reason}`);
    for (const { jobId } of poison) {
      const retried = await retryFailure(service(), jobId);
      check(retried === 409, `a retry of a body without an id was answered with ${retried} instead of 409`);
      const dropped = await dropFailure(service(), jobId);
      check(dropped === 200, `dropping it was answered with ${dropped} instead of 200`);
    }
    saw("a retry is refused, because nobody knows whose they are; they are dropped with a reason");
    await checkLoad(load);
    check(load.unanswered() === 0, `${load.unanswered()} requests of the chats failed`);
    const kinds = await bell.over("jobs-failing");
    saw(`over; each alert was sent once when it started and once when it ended: ${kinds.join(", ")}`);
  },
};

async function scheduleJobs(target: Target, id: string): Promise<void> {
  const messages = Array.from({ length: 8 }, (_, index) => ({
    id: `${id}:${index}`,
    role: index % 2 === 0 ? "user" : "assistant",
    content: `${id}:${index} and the crate leaves on Tuesday.`,
  }));
  const append = await send(target, `/v1/sessions/${id}/messages`, { method: "POST", body: { messages } });
  check(append.status === 201, `an append to ${id} was answered with ${append.status}`);
  const body = { keepRecentTokens: 0 };
  const asked = await send(target, `/v1/sessions/${id}/summarize`, { method: "POST", body });
  check(asked.status === 202, `a request for a summary of ${id} was answered with ${asked.status}`);
}
