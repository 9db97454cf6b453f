import type { SummarizerRequest, SummarizerUsage } from "../src/api/summarizer.ts";
import type { Summary } from "../src/api/summary.ts";
import { messageText } from "../src/prompt/message-text.ts";
import type { Passage } from "./activity.ts";
import { followBackground } from "./background.ts";
import { callFault } from "./call-fault.ts";
import { checkAllConfirmed, checkConfirmed, type Told } from "./check-confirmed.ts";
import { value } from "./check-log.ts";
import { noteRevision } from "./check-session.ts";
import { checkBudget, checkCounted, spentToday } from "./check-spent.ts";
import { invoke } from "./invoke.ts";
import { type ModelMessage, pathTo } from "./model.ts";
import { draftOf, hasPendingErasures, hiddenSeqsOf, isLeftOver, jobsOf, seqsToTell, sessionOf } from "./rows.ts";
import type { SessionInstance } from "./system-types.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** The calls by which consumers do a session's jobs, and the promises that hold for each of them. */

/** Calls that belong to no job of the called object: they may come at any time. */
const WITHOUT_JOB = new Set(["resyncArchive", "confirmListed", "eraseCopied", "readCarried", "readCopyPage"]);

export const JOB_CALLS = new Set([
  ...WITHOUT_JOB,
  "beginEmbedding",
  "beginSummary",
  "carryOver",
  "confirmArchived",
  "confirmCopyErasures",
  "confirmErased",
  "confirmExpiry",
  "forgetArchived",
  "loseCopy",
  "nextCarryOver",
  "nextCopyStep",
  "noteFailure",
  "noteUndelivered",
  "postponeErasure",
  "putOff",
  "readArchiveDelta",
  "readErasure",
  "readListing",
  "readPendingErasures",
  "saveAnswer",
  "saveCopyPage",
  "saveVectors",
  "stepExpiry",
]);

interface Leased {
  readonly next: "call";
  readonly lease: string;
  readonly request: SummarizerRequest;
  readonly isOverBudget: boolean;
}

/** A step for which a model has to be called. */
function isCall(answer: unknown): answer is Pick<Leased, "lease" | "isOverBudget"> {
  return typeof answer === "object" && answer !== null && "next" in answer && answer.next === "call";
}

/** Only for a summary: vectors come without a request. */
function leasedStep(answer: unknown): Leased | null {
  return isCall(answer) && "request" in answer ? (answer as Leased) : null;
}

/** What was handed out with a lease. */
interface Given {
  readonly request: SummarizerRequest;
  /** Messages between those that were handed out, which had no text then. A later edit of them is made up for. */
  readonly silent: readonly number[];
  /** The log at that moment. */
  readonly log: readonly ModelMessage[];
}

/** By lease. */
const requests = new WeakMap<World, Map<string, Given>>();

function silentSeqs({ model }: SimulatedSession, { messages }: SummarizerRequest): number[] {
  const last = messages.at(-1)?.seq ?? 0;
  const earlier = model?.log.filter(({ seq }) => seq < last) ?? [];
  return earlier.filter(tellsNothing).map(({ seq }) => seq);
}

function tellsNothing({ content }: ModelMessage): boolean {
  return content === null || messageText(content) === "";
}

/** Whether a message without text got some since: its summarizer is called again, although it may be erased by then, and have no text again. */
function isReadAnew({ model }: SimulatedSession, { log }: Given): boolean {
  return log.some((message) => tellsNothing(message) && model?.log[message.seq - 1]?.content !== message.content);
}

function requestsOf(world: World): Map<string, Given> {
  const known = requests.get(world) ?? new Map();
  requests.set(world, known);
  return known;
}

/** Everything in an object's tables, except for what models used. A call after a rollback sets the alarm again, so it is not compared. */
function tablesOf({ disk }: SimulatedSession["object"]): string {
  const dump = disk.dump("spent");
  return dump.slice(dump.indexOf(" "));
}

export async function callJob(
  world: World,
  session: SimulatedSession,
  method: string,
  args: readonly unknown[],
  passage: Passage,
): Promise<unknown> {
  const { object } = session;
  await object.instance();
  const late = whyLate(session, method, args);
  if (late === null) return callMethod(world, session, method, args, passage, null);
  // What a model used is counted all the same.
  const before = tablesOf(object);
  const wasLeftOver = isLeftOver(object);
  const answered = await callMethod(world, session, method, args, passage, late).then(
    (answer) => ({ answer }),
    (error: unknown) => ({ error }),
  );
  // A call that ended the last job may have crashed before it emptied the object. Any later one makes up for it.
  const isEmptied = wasLeftOver && sessionOf(object) === null;
  if (!isEmptied && tablesOf(object) !== before) throw new Violation(7, `${method} changed the object, though ${late}`);
  if ("error" in answered) throw answered.error;
  return answered.answer;
}

async function callMethod(
  world: World,
  session: SimulatedSession,
  method: string,
  args: readonly unknown[],
  passage: Passage,
  late: string | null,
): Promise<unknown> {
  const { object } = session;
  const fault = passage === "faulty" ? callFault(world.random) : null;
  const newestBefore = method === "saveAnswer" ? await newestVersion(object.resident) : NO_VERSION;
  const epoch = sessionOf(object)?.epoch ?? "";
  const told = method === "confirmCopyErasures" ? seqsToTell(object, epoch) : [];
  const call = async (instance: SessionInstance): Promise<unknown> => {
    const before = spentToday(world, session);
    const answer = await invoke(instance, method, args);
    checkCounted(world, session, usageOf(method, args), before);
    if (isCall(answer)) checkBudget(world, session, answer.isOverBudget);
    const step = leasedStep(answer);
    if (step !== null) {
      const { lease, request } = step;
      const silent = silentSeqs(session, request);
      requestsOf(world).set(lease, { request, silent, log: session.model?.log ?? [] });
    }
    return answer;
  };
  try {
    const answer = await object.call(method, call, fault).finally(() => follow(world, session, method));
    if (told.length > 0 && !hasPendingErasures(object)) checkAllConfirmed(world, epoch, told);
    if (method === "eraseCopied") checkConfirmed(world, session, args[0] as Told[], answer);
    const step = leasedStep(answer);
    if (step !== null) world.leases.set(step.request, { session, lease: step.lease });
    if (method === "saveAnswer" && late === null) await noteSaved(world, session, args, newestBefore);
    return answer;
  } catch (error) {
    if (error instanceof Violation) throw error;
    if (fault === null) throw new Violation(10, `${method} threw without a fault: ${String(error)}`);
    // It is saved, although the consumer does not know.
    if (fault.kind === "answerLost" && method === "saveAnswer" && late === null) {
      await noteSaved(world, session, args, newestBefore);
    }
    throw error;
  }
}

/** What a model used for the result that a call delivers. */
function usageOf(method: string, args: readonly unknown[]): SummarizerUsage | undefined {
  const [, , failure, answer] = args as readonly ({ readonly usage?: SummarizerUsage } | undefined)[];
  if (method === "saveAnswer" || method === "saveVectors") return usageIn(answer);
  return method === "noteFailure" ? usageIn(failure) : undefined;
}

/** Vectors have no output tokens. */
function usageIn(told: { readonly usage?: Partial<SummarizerUsage> } | undefined): SummarizerUsage | undefined {
  return told?.usage === undefined ? undefined : { inputTokens: 0, outputTokens: 0, ...told.usage };
}

/** Applies to the model what a call did to the session, whether its answer arrived or not. */
async function follow(world: World, session: SimulatedSession, method: string): Promise<void> {
  await followBackground(world, session);
  // What was based on something erased is made again, and paid for again.
  if (method === "eraseCopied" || method === "carryOver") session.paid.clear();
  await noteRevision(session);
}

/** Why a call comes too late to change anything; null if it may. */
function whyLate(session: SimulatedSession, method: string, args: readonly unknown[]): string | null {
  if (WITHOUT_JOB.has(method)) return null;
  const [jobId, epoch, third] = args.map(String);
  const job = jobsOf(session.object).find(({ id }) => id === jobId);
  if (job === undefined) return "its job is done";
  if (job.epoch !== epoch) return "its job belongs to another epoch";
  const isSaving = method === "saveAnswer" || method === "saveVectors";
  if (isSaving && job.lease !== third) return "its lease is lost";
  if (isSaving && job.state !== "pending") return "its job was given up";
  const row = sessionOf(session.object);
  if (job.kind === "erase" || job.kind === "erase-copies") return null;
  if (row?.epoch !== epoch) return "its epoch of the session is over";
  if (row.expired_at !== null) return "the session expired";
  return null;
}

type Version = Pick<Summary, "version" | "throughSeq">;

const NO_VERSION: Version = { version: 0, throughSeq: 0 };

async function newestVersion(instance: SessionInstance | null): Promise<Version> {
  const outcome = await instance?.summaries(undefined, 1);
  return outcome?.ok === true ? (outcome.value.data[0] ?? NO_VERSION) : NO_VERSION;
}

/** Everything that goes into a call: the same again would be paid for without need. All texts differ, so sessions do not mix. */
export function rangeOf(request: SummarizerRequest): string {
  return JSON.stringify([
    request.previous.map(({ id, text }) => [id, text]),
    request.messages.map(({ seq, text }) => [seq, text]),
  ]);
}

/** A pending better summary continues from the part that a model made for the fallback summary, which was handed out under the job before. */
function passOnTold(session: SimulatedSession, told: ReadonlySet<number>): void {
  const made = draftOf(session.object);
  if (made === null || session.told.has(made.jobId)) return;
  session.told.set(made.jobId, new Set([...told].filter((seq) => seq <= made.throughSeq)));
}

function wasEverTold(session: SimulatedSession, seq: number): boolean {
  return [...session.told.values()].some((told) => told.has(seq) || told.has(-seq));
}

/** An answer was saved: paid for, and handed out. If a version was stored with it, all that it covers was handed out. */
async function noteSaved(
  world: World,
  session: SimulatedSession,
  args: readonly unknown[],
  newestBefore: Version,
): Promise<void> {
  const jobId = String(args[0]);
  const given = requestsOf(world).get(String(args[2]));
  if (given === undefined) throw new Violation(7, "an answer was saved under a lease that nobody was given");
  const { request, silent } = given;
  const isFallback = (args[4] ?? null) !== null;
  const isPaid = request.messages.length > 0 && !isFallback;
  if (isPaid && !isReadAnew(session, given)) session.paid.add(rangeOf(request));
  await noteRevision(session);
  const told = session.told.get(jobId) ?? new Set();
  session.told.set(jobId, told);
  for (const { seq } of request.messages) told.add(seq);
  // Negative: skipped, because it had no text.
  for (const seq of silent) told.add(-seq);
  passOnTold(session, told);
  const instance = session.object.resident;
  if (instance === null) return;
  const versions = value(await instance.summaries(undefined, 2), "summaries").data;
  const [newest, base] = versions;
  if (newest === undefined || newest.version === newestBefore.version) return;
  // Also if it replaces that version, which is gone by now.
  if (session.model?.isSole !== false && newest.throughSeq < newestBefore.throughSeq) {
    const [now, before] = [newest, newestBefore].map(
      ({ version, throughSeq }) => `version ${version} covers ${throughSeq}`,
    );
    throw new Violation(7, `${now}, and before it ${before}`);
  }
  // A summary from scratch may follow a version that covers as much: what it was given must reach back to the start.
  const hidden = new Set(hiddenSeqsOf(session.object));
  const from = told.has(1) ? 0 : (base?.throughSeq ?? 0);
  const path = pathTo(session.model?.log ?? [], newest.throughSeq);
  for (let seq = from + 1; seq <= newest.throughSeq; seq += 1) {
    if (!path.has(seq)) continue;
    const message = session.model?.log[seq - 1];
    if (message === undefined || message.content === null || messageText(message.content) === "") continue;
    if (told.has(seq) || told.has(-seq)) continue;
    // With several branches a summary may continue from a version that is not the newest: what that covers was handed out under another job.
    if (session.model?.isSole === false && wasEverTold(session, seq)) continue;
    // It was edited since: contexts name it as omitted, and another summary is pending.
    if (hidden.has(seq)) continue;
    throw new Violation(7, `version ${newest.version} covers seq ${seq}, which its summarizer was never given`);
  }
}
