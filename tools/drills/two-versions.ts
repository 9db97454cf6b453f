import { LOCAL_TENANT } from "../../scripts/dev/keys.ts";
import type { Drill } from "./drill.ts";
import { readFailures, retryFailures } from "./failed-jobs.ts";
import { check, until } from "./fault.ts";
import { sendBodies } from "./levers.ts";
import type { Load } from "./load.ts";
import { hasSummaries, readSummaries } from "./sessions.ts";
import type { Scene } from "./stage.ts";

/**
 * A later version replaces this one while sessions are in use, and is rolled back. Its differences come from later-worker.mjs: a migration
 * of the sessions, a field of the jobs, and jobs of the next format version. Both versions run on the same data; chats repeat unanswered requests.
 */
export const twoVersions: Drill = {
  name: "two-versions",
  says: "a deploy of a later version under load, and its rollback",
  async run(scene) {
    const { bell, service, load: startLoad, restartAround, plant, saw, checkLoad } = scene;
    await plant("levers");
    const load = await startLoad();
    await until("each chat has a summary", () => hasSummaries(service(), load.chats, 1));
    await restartAround(load, "later-version");
    saw("a later version runs, with one more migration and jobs of the next format");
    await summarizeOn(scene, load);
    saw("each chat has another summary, made by it");
    await restartAround(load, "levers");
    await summarizeOn(scene, load);
    saw("rolled back: the sessions work with the later schema, and each chat has another summary");
    const left = load.chats.map(({ id }, index) => ({
      v: 2,
      kind: "summarize",
      tenant: LOCAL_TENANT,
      owner: "-",
      session: id,
      epoch: "of the later version",
      throughSeq: 1,
      jobId: `left-by-the-later-version-${id}-${index}`,
    }));
    await sendBodies(service(), "SUMMARIZE_QUEUE", left);
    await bell.started("jobs-failing");
    const listed = await until("the jobs that the later version left are listed", async () => {
      const unknown = (await readFailures(service(), "summarize")).filter(({ state }) => state === "unknown");
      return unknown.length === left.length ? unknown : undefined;
    });
    saw(`the alert jobs-failing has started: ${listed.length} jobs of the next format are listed`);
    await retryFailures(service(), "summarize");
    const still = (await readFailures(service(), "summarize")).filter(({ state }) => state === "unknown");
    check(still.length === 0, `${still.length} of them are still on the list after a retry`);
    saw("retried by filter: their sessions have no such jobs, so they left the list");
    await checkLoad(load);
    const kinds = await bell.over("jobs-failing");
    saw(`over; each alert was sent once when it started and once when it ended: ${kinds.join(", ")}`);
  },
};

/** Waits until each chat has a newer summary than now. */
async function summarizeOn({ service }: Scene, { chats }: Load): Promise<void> {
  const before = await readSummaries(service(), chats);
  await until("each chat has another summary", async () => {
    const now = await readSummaries(service(), chats);
    return now.every((summary, index) => (summary?.version ?? 0) > (before[index]?.version ?? 0)) ? true : undefined;
  });
}
