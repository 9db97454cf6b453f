import type { Drill } from "./drill.ts";
import { retryFailures } from "./failed-jobs.ts";
import { check, until } from "./fault.ts";
import { hasSummaries, readSummaries } from "./sessions.ts";

const WHOLE_OUTAGE_MS = 60_000;

/** Without the agent chats get fallback summaries, and better ones once it is back. */
export const agentGone: Drill = {
  name: "agent-gone",
  says: "the MCP agent accepts no connections under load",
  async run({ isShort, agent, bell, service, load: startLoad, saw, checkLoad }) {
    const load = await startLoad();
    await until("each chat has a summary", () => hasSummaries(service(), load.chats, 1));
    const before = load.acknowledged();
    agent.be("gone");
    saw("the agent is down");
    await bell.started("summarizer-away");
    saw("the alert summarizer-away has started");
    if (!isShort) await bell.lookFor(WHOLE_OUTAGE_MS);
    await until("a chat has a fallback summary", async () => {
      const summaries = await readSummaries(service(), load.chats);
      return summaries.some((summary) => summary?.degraded === true) ? true : undefined;
    });
    check(load.acknowledged() > before, "nothing was acknowledged while the agent was down");
    check(load.unanswered() === 0, `${load.unanswered()} requests of the chats failed, though only the agent was down`);
    saw(
      `${load.acknowledged() - before} messages were acknowledged meanwhile, no request failed, and chats got fallback summaries`,
    );
    await load.stop();
    agent.be("well");
    saw("the agent is back");
    const replaced = async (): Promise<true | undefined> => {
      // docs/operate.md gives this command to those who do not want to wait: the pauses between retries may last minutes.
      await retryFailures(service(), "summarize");
      const summaries = await readSummaries(service(), load.chats);
      return summaries.every((summary) => summary?.degraded === false) ? true : undefined;
    };
    await until("no chat has a fallback summary any more", replaced, { pollMs: 1_000 });
    saw("failed summaries were retried, and each fallback summary is replaced");
    await checkLoad(load);
    const kinds = await bell.over("summarizer-away");
    saw(`over; each alert was sent once when it started and once when it ended: ${kinds.join(", ")}`);
  },
};
