import { LOCAL_TENANT } from "../../scripts/dev/keys.ts";
import { type OperationRun, operationRunSchema } from "../../src/api/operation-run.ts";
import { pageSchema } from "../../src/api/page.ts";
import { type Summary, summarySchema } from "../../src/api/summary.ts";
import type { Drill } from "./drill.ts";
import { check, until } from "./fault.ts";
import { wakeWorkflow } from "./levers.ts";
import { send, type Target } from "./requests.ts";
import { untilIdle } from "./sessions.ts";

const SESSIONS = { short: 9, whole: 40 };
const MESSAGES = 8;
/** Slices that are done before the crash. */
const DONE_BEFORE = 2;

const summaryPageSchema = pageSchema(summarySchema);

/** After a crash an operation continues from its interrupted step, and makes each session's summary anew once. */
export const workflowRestart: Drill = {
  name: "workflow-restart",
  says: "kill -9 while an operation works through sessions, one a step",
  async run({ isShort, service, load: startLoad, restart, saw, checkLoad }) {
    const user = `drilled-${crypto.randomUUID()}`;
    const count = isShort ? SESSIONS.short : SESSIONS.whole;
    const ids = Array.from({ length: count }, (_, index) => `${user}-${index}`);
    for (const id of ids) await makeSession(service(), user, id);
    saw(`${count} sessions of a user have a summary each`);
    const load = await startLoad();
    const run = `drill-${crypto.randomUUID()}`;
    const breakOff = async (): Promise<void> => {
      const body = { id: run, op: "rebuild", tenant: LOCAL_TENANT, user, sliceSize: 1 };
      const begun = await send(service(), "/v1/admin/operations", { method: "POST", body, asOperator: true });
      check(begun.status === 202, `the operation was answered with ${begun.status}`);
      const amid = await until("some steps are done", async () => {
        const now = await readRun(service(), run);
        return now.progress.done >= DONE_BEFORE ? now : undefined;
      });
      check(amid.finishedAt === null, "the operation ended before it could be killed");
      if (isShort)
        await until("the work that is pending so far is done", () =>
          isSummarizedAnew(service(), user, ids, DONE_BEFORE),
        );
      saw(`an operation has done ${amid.progress.done} of ${count}; kill -9 of every process`);
      await restart("kill -9", "levers");
    };
    // Work that the kill interrupts, or that waits in the simulator's queues, is repeated after minutes. In the short form there is none.
    if (isShort) {
      await load.whileSilent(async () => {
        await untilIdle(service(), load.chats);
        await breakOff();
      });
    } else {
      await breakOff();
    }
    await wakeWorkflow(service(), run);
    const over = await until("the operation is complete", async () => {
      const now = await readRun(service(), run);
      return now.finishedAt === null ? undefined : now;
    });
    check(over.status === "complete", `the operation ended as ${over.status}: ${over.error}`);
    check(
      over.progress.done === count && over.progress.failed === 0,
      `the operation reports ${over.progress.done} sessions and ${over.progress.failed} failures, of ${count}`,
    );
    const summaries = await until("each session has a new summary", async () => {
      const found = await Promise.all(ids.map((id) => readSummary(service(), user, id)));
      return found.every((summary) => (summary?.version ?? 0) >= 2) ? found : undefined;
    });
    // The interrupted step may have done its session without recording it.
    const twice = summaries.filter((summary) => (summary?.version ?? 0) > 2).length;
    check(twice <= 1, `${twice} sessions were summarized twice`);
    saw(`it continued to ${over.progress.done} of ${count}; each session was summarized anew, ${twice} of them twice`);
    await checkLoad(load);
  },
};

async function makeSession(target: Target, user: string, id: string): Promise<void> {
  const messages = Array.from({ length: MESSAGES }, (_, index) => ({
    id: `${id}:${index}`,
    role: index % 2 === 0 ? "user" : "assistant",
    content: `${id}:${index} and the crate leaves on Tuesday.`,
  }));
  const append = await send(target, `/v1/sessions/${id}/messages`, { method: "POST", body: { messages }, user });
  check(append.status === 201, `an append to ${id} was answered with ${append.status}`);
  const body = { keepRecentTokens: 0 };
  const asked = await send(target, `/v1/sessions/${id}/summarize`, { method: "POST", body, user });
  check(asked.status === 202, `a request for a summary of ${id} was answered with ${asked.status}`);
  await until(`${id} has a summary`, () => readSummary(target, user, id));
}

async function readSummary(target: Target, user: string, id: string): Promise<Summary | undefined> {
  const { body } = await send(target, `/v1/sessions/${id}/summaries?limit=1`, { user });
  return summaryPageSchema.parse(body).data[0];
}

/** True once this many of the sessions have another summary than their first. */
async function isSummarizedAnew(
  target: Target,
  user: string,
  ids: readonly string[],
  count: number,
): Promise<true | undefined> {
  const found = await Promise.all(ids.map((id) => readSummary(target, user, id)));
  return found.filter((summary) => (summary?.version ?? 0) >= 2).length >= count ? true : undefined;
}

async function readRun(target: Target, run: string): Promise<OperationRun> {
  const { body } = await send(target, `/v1/admin/operations/${run}`, { asOperator: true });
  return operationRunSchema.parse(body);
}
