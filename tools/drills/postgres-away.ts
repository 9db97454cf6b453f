import type { Drill } from "./drill.ts";
import { check, until } from "./fault.ts";
import { send } from "./requests.ts";
import { hasSummaries } from "./sessions.ts";

const WHOLE_OUTAGE_MS = 60_000;

/** Without PostgreSQL the hot memory stays available, and afterwards the archive catches up by itself. */
export const postgresAway: Drill = {
  name: "postgres-away",
  says: "PostgreSQL is down for a minute under load",
  async run({ isShort, bell, service, load: startLoad, saw, checkLoad }) {
    const load = await startLoad();
    await until("each chat has a summary", () => hasSummaries(service(), load.chats, 1));
    const before = load.acknowledged();
    await service().stopPostgres();
    saw("PostgreSQL is stopped");
    await bell.started("postgres-away");
    saw("the alert postgres-away has started");
    const { status } = await send(service(), "/v1/search", { method: "POST", body: { query: "crate" } });
    check(status === 503, `a search across sessions was answered with ${status} instead of 503`);
    if (!isShort) await bell.lookFor(WHOLE_OUTAGE_MS);
    await until("each chat has another summary", () => hasSummaries(service(), load.chats, 2));
    check(load.acknowledged() > before, "nothing was acknowledged during the outage");
    check(
      load.unanswered() === 0,
      `${load.unanswered()} requests of the chats failed, though only PostgreSQL was down`,
    );
    saw(
      `${load.acknowledged() - before} messages were acknowledged meanwhile, no request failed, and summaries continued`,
    );
    await service().startPostgres();
    saw("PostgreSQL is back; nothing is sent by hand");
    await checkLoad(load);
    const kinds = await bell.over("postgres-away");
    saw(`over; each alert was sent once when it started and once when it ended: ${kinds.join(", ")}`);
  },
};
