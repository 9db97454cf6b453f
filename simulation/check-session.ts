import type { Context } from "../src/api/context.ts";
import type { Summary } from "../src/api/summary.ts";
import { messageText } from "../src/prompt/message-text.ts";
import { isSupported } from "../src/prompt/support.ts";
import { followBackground } from "./background.ts";
import { keptFilesOf, secretsOf } from "./chat-content.ts";
import { checkContext, checkSources } from "./check-context.ts";
import { checkLog, EVERYTHING, value } from "./check-log.ts";
import { checkVectors } from "./check-vectors.ts";
import { type ModelSession, pathTo } from "./model.ts";
import { revisionKey, revisionText } from "./revision.ts";
import {
  archivableOf,
  awaitsCarryOver,
  heldFiles,
  hiddenSeqsOf,
  isErasing,
  itemsIn,
  type JobState,
  jobsOf,
  hasPendingErasures,
  sessionOf,
  standingMessages,
  withFilesIn,
} from "./rows.ts";
import type { SessionInstance } from "./system-types.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** What must hold for every session after every step. It only reads rows, so an evicted object is not started for it. */
export async function checkSession(world: World, session: SimulatedSession): Promise<void> {
  await followBackground(world, session);
  checkPendingWork(world, session);
  const instance = session.object.resident;
  const { version } = session.object.disk;
  if (instance === null || version === session.checkedVersion) return;
  session.checkedVersion = version;
  if (world.hasEmbedder) checkVectors(session);
  if (session.model === null || session.model.status !== "active") {
    await checkLog(instance, session.model);
    if (session.model?.status === "copying") return;
    checkRetired(session, true);
    checkFiles(session, []);
    return;
  }
  const versions = value(await instance.summaries(undefined, EVERYTHING), "summaries").data;
  recordRevision(session, versions);
  checkHidden(session, versions);
  // Everything else follows from these: leases and alarms alone do not change it.
  const basis = JSON.stringify([
    versions,
    hiddenSeqsOf(session.object),
    jobsOf(session.object).map(({ kind }) => kind),
  ]);
  if (session.checked?.model === session.model && session.checked.basis === basis) return;
  session.checked = { model: session.model, basis };
  await checkReport(instance, session);
  await checkLog(instance, session.model);
  checkFiles(session, session.model.log);
  checkVersions(versions, session.model);
  for (const maxTokens of [256, 1_000_000]) {
    const context = value(await instance.context({ maxTokens }), "context");
    checkContext(context, session.model, { maxTokens });
    checkUncovered(context, session);
  }
  checkRetired(session, false);
}

/** Promise 9: each file, and each text too long for its row, is stored once, and only as long as a message has it. */
function checkFiles({ label, object }: SimulatedSession, log: ModelSession["log"]): void {
  if (isErasing(object)) return;
  const held = heldFiles(object.disk);
  const kept = [...held.values()].filter((text) => !isJson(text)).toSorted();
  const due = keptFilesOf(log.map(({ content }) => content));
  const texts = [...held.values()].filter(isJson).map((text) => withFilesIn(text, held));
  const said = texts.length === 0 ? new Set() : new Set(log.map(({ content }) => JSON.stringify(content)));
  if (texts.some((text) => !said.has(text)))
    throw new Violation(9, `${label} stores text that none of its messages says`);
  if (JSON.stringify(kept) === JSON.stringify(due)) return;
  throw new Violation(
    9,
    `${label} stores ${kept.length} files, but its messages have ${due.length}, or different ones`,
  );
}

/** Content as JSON, which base64 never is. */
function isJson(text: string): boolean {
  return text.startsWith('"') || text.startsWith("[");
}

/** What the integrity check must find in a session that keeps its promises: nothing. */
async function checkReport(instance: SessionInstance, { label, object }: SimulatedSession): Promise<void> {
  const { epoch, flaws } = await instance.checkIntegrity();
  const checked = epoch ?? "";
  const pages = [
    await instance.checkLogIntegrity(checked, 0),
    await instance.checkSummaryIntegrity(checked, 0),
    await instance.checkSourcesIntegrity(checked, 0),
  ];
  // An alarm that the runtime repeats late, or gave up, is not the object's doing.
  const isAlarmSure = !object.isInAlarm && !object.isAlarmRetried && !object.isAlarmGivenUp;
  const flaw = [...flaws, ...pages.flatMap((page) => page?.flaws ?? [])].find(
    ({ detail }) => isAlarmSure || !detail.includes("alarm"),
  );
  if (flaw !== undefined) throw new Violation(10, `verify finds a ${flaw.kind} in ${label}: ${flaw.detail}`);
}

/** Promises 7 and 8: every version, and every item in it. */
function checkVersions(versions: readonly Summary[], model: ModelSession): void {
  for (const [index, { version, throughSeq, items }] of versions.entries()) {
    const newer = versions[index - 1];
    if (newer !== undefined && (newer.version <= version || (model.isSole && newer.throughSeq < throughSeq))) {
      throw new Violation(7, `version ${newer.version} covers ${newer.throughSeq}, version ${version} ${throughSeq}`);
    }
    if (throughSeq > model.log.length) throw new Violation(7, `version ${version} covers ${throughSeq}, past the log`);
    const ids = new Set(items.map(({ id }) => id));
    if (ids.size !== items.length) throw new Violation(8, `version ${version} has two items of one id`);
    for (const item of items) {
      // Carried items cite messages of another session, whose erasures they follow.
      if (item.sourceSession !== undefined) continue;
      checkSources(item.sourceSeqs, throughSeq, model, item.id);
      const sources = item.sourceSeqs.flatMap((seq) => {
        const message = model.log[seq - 1];
        return message === undefined || message.content === null
          ? []
          : [`${message.author ?? ""} ${messageText(message.content)}`];
      });
      if (!isSupported(item.text, sources)) {
        throw new Violation(
          8,
          `item ${item.id} of version ${version} is not supported by seqs ${item.sourceSeqs.join(", ")}`,
        );
      }
    }
  }
}

/** After a call that others may follow before the next check. */
export async function noteRevision(session: SimulatedSession): Promise<void> {
  const { version } = session.object.disk;
  if (version === session.notedVersion) return;
  const outcome = await session.object.resident?.summaries(undefined, EVERYTHING);
  if (outcome?.ok !== true) return;
  session.notedVersion = version;
  recordRevision(session, outcome.value.data);
}

/** The archive may have any of these states and no other. */
function recordRevision(session: SimulatedSession, versions: readonly Summary[]): void {
  const row = sessionOf(session.object);
  if (row === null) return;
  const key = revisionKey(row);
  const text = revisionText(versions, archivableOf(session.object));
  const known = session.revisions.get(key);
  if (known !== undefined && known !== text) {
    throw new Violation(
      10,
      `what the archive should have changed at revision ${row.archive_rev}, but no job sends it the change`,
    );
  }
  session.revisions.set(key, text);
}

function checkHidden(session: SimulatedSession, versions: readonly Summary[]): void {
  const through = versions[0]?.throughSeq ?? 0;
  const hidden = hiddenSeqsOf(session.object).filter((seq) => seq <= through);
  if (hidden.length > 0 && !jobsOf(session.object).some(({ kind }) => kind === "summarize")) {
    throw new Violation(10, `seqs ${hidden.join(", ")} are covered by nothing, but no new summary is pending`);
  }
}

/** A hidden message is named as omitted, or is there verbatim as it is now. */
function checkUncovered(context: Context, session: SimulatedSession): void {
  const through = context.summary?.throughSeq ?? 0;
  const path = pathTo(session.model?.log ?? [], context.atSeq);
  for (const seq of hiddenSeqsOf(session.object)) {
    if (seq > through || !path.has(seq)) continue;
    if (context.messages.some((message) => message.seq === seq && message.cut !== true)) continue;
    if (!context.omitted.some(({ fromSeq, throughSeq }) => fromSeq <= seq && seq <= throughSeq)) {
      throw new Violation(5, `seq ${seq} is covered by nothing, and the context does not say so`);
    }
  }
}

/**
 * Everything that the object has; as long as its copies are told of erasures, without carried items: one may repeat in the words of a copy
 * what was erased here, and goes when that copy has been told.
 */
function keptTexts({ object: { disk }, object }: SimulatedSession, isErased: boolean): string {
  if (isErased || !hasPendingErasures(object)) return disk.dump();
  const own = itemsIn(disk).filter(({ sourceSession }) => sourceSession === undefined);
  return `${disk.dump("item_blocks")} ${JSON.stringify(own)}`;
}

/** Promise 9, in the object: in the log at once, and everywhere once no new summary is pending. */
function checkRetired(session: SimulatedSession, isErased: boolean): void {
  if (session.retired.length === 0) return;
  const jobs = jobsOf(session.object);
  const isSettled = isErased || !(jobs.some(({ kind }) => kind === "summarize") || isErasing(session.object));
  const places = isSettled ? keptTexts(session, isErased) : JSON.stringify(standingMessages(session.object));
  const said = new Set(secretsOf(places));
  for (const { secret, seq } of session.retired) {
    if (said.has(secret)) {
      throw new Violation(9, `what seq ${seq} said before it was erased or edited (${secret}) is still in the object`);
    }
  }
}

/** Promise 10: pending work has a job, and a job has an alarm. */
export function checkPendingWork(world: World, session: SimulatedSession): void {
  const { object } = session;
  const row = sessionOf(object);
  const jobs = jobsOf(object);
  if (row !== null && row.erased_at === null && row.archive_rev > row.archived_rev) {
    expectJob(jobs, "archive", row.epoch, "the archive lacks something");
  }
  for (const held of world.archive.copy.sessions) {
    if (held.erased_at !== null || !session.erasedEpochs.has(held.epoch)) continue;
    if (!world.isRestored) expectJob(jobs, "erase", held.epoch, "the archive holds an erased epoch of the session");
  }
  if (row?.copying?.kind === "fork") expectJob(jobs, "fork", row.epoch, "a fork is not whole");
  const isLive = row !== null && row.erased_at === null && row.expired_at === null;
  if (isLive && awaitsCarryOver(object)) {
    expectJob(jobs, "restore", row.epoch, "something has yet to be carried over");
  }
  if (hasPendingErasures(object) && !jobs.some(({ kind }) => kind === "erase-copies")) {
    throw new Violation(10, "copies have yet to be told of erasures, and no job is pending for it");
  }
  for (const kind of ["summarize", "archive", "erase-copies", "expire", "fork", "restore"]) {
    if (jobs.filter((job) => job.kind === kind).length > 1)
      throw new Violation(10, `two jobs of the kind ${kind} are pending`);
  }
  const pending = jobs.filter(({ state }) => state === "pending");
  if (pending.length === 0 || object.isInAlarm || (object.isAlarmGivenUp && object.resident === null)) return;
  const earliest = Math.min(...pending.map((job) => job.next_send_at));
  const { alarm } = object.disk;
  if (alarm === null) throw new Violation(10, `a job (${pending[0]?.kind}) is pending, but no alarm is set`);
  if (alarm > earliest && !object.isAlarmRetried) {
    throw new Violation(10, `a job is due at ${earliest}, but the alarm is set for ${alarm}`);
  }
}

function expectJob(jobs: readonly JobState[], kind: string, epoch: string, why: string): void {
  if (!jobs.some((job) => job.kind === kind && job.epoch === epoch)) {
    throw new Violation(10, `${why}, but no ${kind} job is pending`);
  }
}
