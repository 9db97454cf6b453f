/** Lists alerts, failed jobs, and runs of operations. */

import { type Signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import type { AlertList } from "../../src/api/alert.ts";
import type { Failure } from "../../src/api/job.ts";
import type { OperationRun } from "../../src/api/operation-run.ts";
import type { Page } from "../../src/api/page.ts";
import { ask, user } from "../api.ts";
import { Dialog } from "../parts/dialog.tsx";
import { visibleText } from "../parts/visible-text.tsx";
import { attempt, showProblem } from "../state/problem.ts";
import { sessionAddress } from "../state/route.ts";
import { caller } from "../state/sign-in.ts";
import { ago, beginning, count, number } from "../text.ts";

const EVERY_MS = 5_000;
const LINE = 160;
/** The owner of sessions that belong to no user. */
const NO_USER = "-";

/** A list that is refreshed while it is visible. */
function useWatched<T>(
  path: string,
  query: Readonly<Record<string, number>> = {},
): { found: Signal<T | null>; read: () => Promise<void> } {
  const found = useSignal<T | null>(null);
  async function read(): Promise<void> {
    found.value = await ask<T>("GET", path, { query });
  }
  useEffect(() => {
    read().catch(showProblem);
    const timer = setInterval(() => {
      if (!document.hidden) read().catch(() => undefined);
    }, EVERY_MS);
    return () => clearInterval(timer);
  }, [path]);
  return { found, read };
}

export function Card({ title, children, id }: { title: ComponentChildren; children: ComponentChildren; id: string }) {
  return (
    <section class="card" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {children}
    </section>
  );
}

export function Alerts() {
  const { found } = useWatched<AlertList>("/v1/admin/alerts");
  const list = found.value;
  return (
    <Card id="alerts-title" title="Alerts">
      {list === null ? (
        <p class="note">Reading …</p>
      ) : list.data.length === 0 ? (
        <p class="note">
          None.{" "}
          {list.checkedAt === null
            ? "The thresholds were not checked yet: a cron does it every minute."
            : `Checked ${ago(list.checkedAt)}.`}
        </p>
      ) : (
        <ul>
          {list.data.map(({ id, kind, since, detail, runbook }) => (
            <li key={id}>
              <span class="tag is-retrieved">{kind}</span> {visibleText(detail)}{" "}
              <span class="note">
                since {ago(since)} · {runbook}
              </span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

export function FailedJobs() {
  const { found, read } = useWatched<Page<Failure>>("/v1/admin/jobs", { limit: 50 });
  const dropping = useSignal<Failure | null>(null);
  const page = found.value;
  const retry = (jobId: string): Promise<boolean> =>
    attempt(async () => {
      await ask("POST", `/v1/admin/jobs/${encodeURIComponent(jobId)}/retry`);
      await read();
    });
  return (
    <Card
      id="jobs-title"
      title={
        <>
          Failed jobs{" "}
          {page === null ? null : <span class="note">{page.hasMore ? "50 and more" : number(page.data.length)}</span>}
        </>
      }
    >
      {page === null ? (
        <p class="note">Reading …</p>
      ) : page.data.length === 0 ? (
        <p class="note">None: all background jobs succeeded.</p>
      ) : (
        <ul class="jobs">
          {page.data.map((failure) => (
            <FailedJob
              key={failure.jobId}
              failure={failure}
              onRetry={() => void retry(failure.jobId)}
              onDrop={() => (dropping.value = failure)}
            />
          ))}
        </ul>
      )}
      {dropping.value === null ? null : (
        <DropDialog
          failure={dropping.value}
          onDropped={() => void attempt(read)}
          onClose={() => (dropping.value = null)}
        />
      )}
    </Card>
  );
}

interface FailedJobProps {
  readonly failure: Failure;
  readonly onRetry: () => void;
  readonly onDrop: () => void;
}

function FailedJob({ failure, onRetry, onDrop }: FailedJobProps) {
  const { kind, state, reason, attempts, lastError, lastFailedAt } = failure;
  return (
    <li>
      <span class="tag is-down">{state}</span> <b>{kind}</b> of <Whose failure={failure} />:{" "}
      {visibleText(beginning(reason, LINE))}
      <span class="note">
        {" "}
        {lastError === reason ? "" : <>{visibleText(beginning(lastError, LINE))} · </>}
        {count(attempts, "attempt")}, the last {ago(lastFailedAt)}
      </span>{" "}
      <button type="button" class="quiet" onClick={onRetry}>
        Retry
      </button>
      <button type="button" class="quiet" onClick={onDrop}>
        Drop
      </button>
    </li>
  );
}

/** The session of a job, with its user: a link, if the page can open it. */
function Whose({ failure: { tenant, owner, session } }: { failure: Failure }) {
  const isOwn = tenant === caller.value?.tenant && session !== "";
  const name = [
    ...(tenant === caller.value?.tenant ? [] : [tenant]),
    ...(owner === NO_USER ? [] : [owner]),
    ...(session === "" ? [] : [session]),
  ].join(" / ");
  if (!isOwn) return <>{visibleText(name)}</>;
  const show = (): void => {
    user.value = owner === NO_USER ? "" : owner;
  };
  return (
    <a href={sessionAddress(session)} onClick={show}>
      {visibleText(name)}
    </a>
  );
}

function DropDialog({ failure, onDropped, onClose }: { failure: Failure; onDropped: () => void; onClose: () => void }) {
  const reason = useSignal("");
  async function drop(): Promise<void> {
    const path = `/v1/admin/jobs/${encodeURIComponent(failure.jobId)}`;
    const isDone = await attempt(() => ask("DELETE", path, { query: { reason: reason.value } }));
    if (!isDone) return;
    onClose();
    onDropped();
  }
  return (
    <Dialog title={`Drop this ${failure.kind} job?`} onClose={onClose}>
      <p class="note">The job is given up: it will not be done, and not be retried. The audit records the reason.</p>
      <form
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          void drop();
        }}
      >
        <label>
          Why
          <input
            required
            maxLength={200}
            value={reason.value}
            onInput={({ currentTarget }) => (reason.value = currentTarget.value)}
          />
        </label>
        <button type="submit" class="danger">
          Drop it
        </button>
      </form>
    </Dialog>
  );
}

export function Runs() {
  const { found, read } = useWatched<Page<OperationRun>>("/v1/admin/operations", { limit: 20 });
  const page = found.value;
  const cancel = (id: string): Promise<boolean> =>
    attempt(async () => {
      await ask("DELETE", `/v1/admin/operations/${encodeURIComponent(id)}`);
      await read();
    });
  return (
    <Card id="runs-title" title="Runs of bulk operations">
      {page === null ? (
        <p class="note">Reading …</p>
      ) : page.data.length === 0 ? (
        <p class="note">None yet. npm run ops starts one, such as verify or rebuild.</p>
      ) : (
        <ul>
          {page.data.map(({ id, op, status, progress, dryRun, createdAt, error, tenant }) => (
            <li key={id}>
              <span class="tag">{status}</span> <b>{op}</b> {dryRun ? "(dry run) " : ""}
              {tenant === undefined ? "" : `of ${tenant} `}
              <span class="note">
                {number(progress.done)}
                {progress.total === null ? "" : ` of ${number(progress.total)}`} looked at, {number(progress.failed)}{" "}
                failed · {ago(createdAt)}
              </span>
              {status === "queued" || status === "running" ? (
                <button type="button" class="quiet" onClick={() => void cancel(id)}>
                  Cancel
                </button>
              ) : null}
              {error === null ? null : <p class="bad">{visibleText(error)}</p>}
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
