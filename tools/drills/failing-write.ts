import { queryDatabase } from "./check-kept.ts";
import type { Drill } from "./drill.ts";
import { readFailures, retryFailures } from "./failed-jobs.ts";
import { check, DrillFault, until } from "./fault.ts";
import { hasSummaries } from "./sessions.ts";

const NAME = "refused_by_a_drill";

function plant(session: string): string {
  return `
    create or replace function ${NAME}() returns trigger language plpgsql as $$
    begin
      if new.session = '${session}' then raise exception 'planted by a drill' using errcode = 'check_violation'; end if;
      return new;
    end $$;
    create or replace trigger ${NAME} before insert or update on sessions for each row execute function ${NAME}();`;
}

const TAKE_AWAY = `drop trigger if exists ${NAME} on sessions; drop function if exists ${NAME}();`;

/** PostgreSQL refuses the rows of one session. The others are archived meanwhile, and that one once its rows are accepted. */
export const failingWrite: Drill = {
  name: "failing-write",
  says: "PostgreSQL refuses the rows of one of several sessions",
  async run({ bell, service, load: startLoad, saw, checkLoad }) {
    const load = await startLoad();
    const [victim, ...others] = load.chats;
    if (victim === undefined || others.length === 0) throw new DrillFault("this drill needs two or more chats");
    const { databaseUrl } = service();
    await queryDatabase(databaseUrl, plant(victim.id));
    saw(`PostgreSQL refuses the rows of one of the chats, of ${load.chats.length}`);
    await bell.started("jobs-failing");
    saw("the alert jobs-failing has started");
    const failure = await until("the chat is on the list of failed jobs", async () => {
      const listed = await readFailures(service(), "archive");
      return listed.find(({ session }) => session === victim.id);
    });
    saw(`the job is on the list: ${failure.reason}; ${failure.attempts} attempts; ${failure.lastError}`);
    await until("the other chats are archived", async () => {
      await hasSummaries(service(), load.chats, 0);
      const rows = await queryDatabase(
        databaseUrl,
        "select 1 from sessions join summaries using (epoch) where session = any($1) group by session having max(version) >= 2",
        [others.map(({ id }) => id)],
      );
      return rows.length === others.length ? true : undefined;
    });
    await load.stop();
    check(
      load.unanswered() === 0,
      `${load.unanswered()} requests of the chats failed, though only one write was refused`,
    );
    saw("the other chats are archived meanwhile, and no request failed");
    await queryDatabase(databaseUrl, TAKE_AWAY);
    await retryFailures(service(), "archive");
    saw("PostgreSQL accepts the rows again, and the job is retried");
    await checkLoad(load);
    const kinds = await bell.over("jobs-failing");
    saw(`over; each alert was sent once when it started and once when it ended: ${kinds.join(", ")}`);
  },
};
