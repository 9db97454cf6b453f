import type { SessionRef } from "../../../src/contracts/session.ts";
import type { SummarizerAnswer, SummarizerRequest } from "../../../src/contracts/summarizer.ts";
import { followBackground } from "./background.ts";
import { checkArchive } from "./check-archive.ts";
import { value } from "./check-log.ts";
import { noteRevision } from "./check-session.ts";
import type { AtGate, Passage } from "./consumer.ts";
import type { Random } from "./random.ts";
import { draftOf, jobsOf, sessionOf } from "./rows.ts";
import type { ArchiveFault } from "./simulated-archive.ts";
import type { CallFault } from "./simulated-object.ts";
import { answerOf, makeshiftOf } from "./simulated-summarizer.ts";
import type { SessionInstance, SimulatedParts } from "./system.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** What a consumer calls, with the faults that a step asks for, and the promises that hold for each call. */

const FARTHEST_STATEMENT = 14;

export function callFault(random: Random): CallFault {
  const choice = random.next();
  if (choice < 0.3) return { kind: "lost" };
  if (choice < 0.6) return { kind: "answerLost" };
  return { kind: "disk", statements: random.below(FARTHEST_STATEMENT) };
}

function archiveFault(random: Random): ArchiveFault {
  const choice = random.next();
  if (choice < 0.25) return { kind: "refused" };
  if (choice < 0.5) return { kind: "broken", statements: random.below(FARTHEST_STATEMENT) };
  if (choice < 0.75) return { kind: "refusedStatement", statements: random.below(FARTHEST_STATEMENT) };
  return { kind: "commitUnconfirmed" };
}

const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** Calls that belong to no job of the object that they reach: they may come at any time. */
const WITHOUT_JOB = new Set(["eraseCopied", "readCopyPage", "readCarried", "state"]);
/** Calls after which the archive may be told of another summary, or of more messages. */
const CHANGES_REVISION = new Set([
  "carryOver",
  "confirmArchived",
  "confirmCopyErasures",
  "confirmExpiry",
  "eraseCopied",
  "forgetArchived",
  "saveCopyPage",
  "stepExpiry",
]);

export function partsOf(world: World, atGate: AtGate): SimulatedParts {
  const seen = new Set<string>();
  const expectOn = (method: string): void => {
    if (method === "beginSummary" && seen.has("paused") && !seen.has("on")) {
      throw new Violation(0, "a summary is begun, and all that its consumer knows is that its tenant paused them");
    }
  };
  return {
    sessions: { get: (ref) => stubOf(world, ref, atGate, expectOn) },
    directory: {
      // An entry that a new life has taken over by then is lost with it: no removal says which life it means.
      remove: (ref) =>
        callDirectory(world, ref, atGate, "remove", (session) => {
          if (session.model === null) world.directory.remove(session);
          return { state: "gone" } as const;
        }),
      setExpired: (ref, isExpired, at) =>
        callDirectory(world, ref, atGate, "setExpired", (session) =>
          world.directory.setExpired(session, isExpired, at),
        ),
    },
    tenants: {
      read: () =>
        atGate("tenants.read", async () => {
          seen.add(world.tenant.summarization);
          return world.tenant;
        }),
      spend: async () => undefined,
    },
    operations: {
      report: () => atGate("operations.report", (passage) => reportOperation(passage)),
      clear: () => atGate("operations.clear", (passage) => reportOperation(passage)),
      settleLate: () => atGate("operations.settleLate", (passage) => reportOperation(passage)),
    },
    summarizer: {
      summarize: (request) => atGate("summarize", (passage) => summarize(world, request, passage)),
    },
    makeshift: world.hasMakeshift
      ? { summarize: (request) => atGate("makeshift", (passage) => makeshift(request, passage)) }
      : null,
    withDatabase: (body) =>
      atGate("archive", async (passage) => {
        const before = world.archive.copy;
        const isDown = world.archiveState === "down";
        const fault = isDown
          ? ({ kind: "refused" } as const)
          : passage === "faulty"
            ? archiveFault(world.random)
            : null;
        try {
          return await world.archive.run(body, fault);
        } finally {
          checkArchive(world, before);
        }
      }),
    log: SILENT,
  };
}

function callDirectory<Answer>(
  world: World,
  ref: SessionRef,
  atGate: AtGate,
  method: string,
  body: (session: SimulatedSession) => Answer,
): Promise<Answer> {
  return atGate(`directory.${method} ${ref.session}`, async (passage) => {
    const isLost = passage === "faulty" && world.random.chance(0.5);
    const unreachable = new Error("the directory is out of reach, as the simulation asked");
    if (isLost) throw unreachable;
    const answer = body(world.sessionNamed(ref));
    if (passage === "faulty") throw unreachable;
    return answer;
  });
}

async function reportOperation(passage: Passage): Promise<void> {
  if (passage === "faulty") throw new Error("the registry is out of reach, as the simulation asked");
}

async function summarize(world: World, request: SummarizerRequest, passage: Passage): Promise<SummarizerAnswer> {
  const { random } = world;
  const { SummarizerError } = world.system;
  if (world.summarizerState === "down") {
    // Whoever knows already that it is away does not ask it, and is served by the makeshift at once.
    throw new SummarizerError(world.hasMakeshift && random.chance(0.7) ? "circuit_open" : "unreachable", "HTTP 503");
  }
  if (passage === "faulty") {
    const choice = random.next();
    if (choice < 0.25) throw new SummarizerError("invalid_answer", "/items invalid_type");
    if (choice < 0.5) throw new SummarizerError("timeout", "no answer in time");
    if (choice < 0.75) throw new SummarizerError("tool_error", "the tool reported a failure", random.between(1, 900));
    throw new Error("the isolate ran out of memory, as the simulation asked");
  }
  if (request.messages.length === 0) throw new Violation(10, "the model is paid for a range in which nothing was said");
  const asked = world.leases.get(request);
  if (asked === undefined) throw new Violation(10, "the summarizer is asked for what no object handed out");
  // A consumer that was held up for longer than its lease is taken for dead, and cannot know.
  const isHeld = jobsOf(asked.session.object).some(({ lease }) => lease === asked.lease);
  if (isHeld && asked.session.paid.has(rangeOf(request))) {
    throw new Violation(10, `the model is paid twice for the same range: ${rangeOf(request)}`);
  }
  return answerOf(request, random);
}

/** Costs nothing, and so may be asked again. */
async function makeshift(request: SummarizerRequest, passage: Passage): Promise<SummarizerAnswer> {
  if (passage === "faulty") throw new Error("the isolate ran out of memory, as the simulation asked");
  return makeshiftOf(request);
}

/** Everything that goes into a call: the same again would be paid for nothing. Texts are like no others, so that sessions keep apart. */
function rangeOf(request: SummarizerRequest): string {
  return JSON.stringify([
    request.previous.map(({ id, text }) => [id, text]),
    request.messages.map(({ seq, text }) => [seq, text]),
  ]);
}

function stubOf(world: World, ref: SessionRef, atGate: AtGate, expectOn: (method: string) => void): unknown {
  const requests = new Map<string, SummarizerRequest>();
  return new Proxy(
    {},
    {
      get:
        (_, method) =>
        (...args: unknown[]) =>
          atGate(`${String(method)} ${ref.session}`, (passage) => {
            const session = world.sessionNamed(ref);
            expectOn(String(method));
            return callObject(world, session, String(method), args, passage, requests);
          }),
    },
  );
}

interface Leased {
  readonly next: "call";
  readonly lease: string;
  readonly request: SummarizerRequest;
}

function leasedStep(answer: unknown): Leased | null {
  return typeof answer === "object" && answer !== null && "next" in answer && answer.next === "call"
    ? (answer as Leased)
    : null;
}

async function callObject(
  world: World,
  session: SimulatedSession,
  method: string,
  args: readonly unknown[],
  passage: Passage,
  requests: Map<string, SummarizerRequest>,
): Promise<unknown> {
  const { object } = session;
  await object.instance();
  const late = whyLate(session, method, args);
  if (late === null) return callMethod(world, session, method, args, passage, requests);
  // What a model took is counted all the same.
  const before = object.disk.dump("spent");
  const answered = await callMethod(world, session, method, args, passage, requests, late).then(
    (answer) => ({ answer }),
    (error: unknown) => ({ error }),
  );
  if (object.disk.dump("spent") !== before) throw new Violation(7, `${method} changed the object, though ${late}`);
  if ("error" in answered) throw answered.error;
  return answered.answer;
}

async function callMethod(
  world: World,
  session: SimulatedSession,
  method: string,
  args: readonly unknown[],
  passage: Passage,
  requests: Map<string, SummarizerRequest>,
  late: string | null = null,
): Promise<unknown> {
  const { object } = session;
  const fault = passage === "faulty" ? callFault(world.random) : null;
  const newestBefore = method === "saveAnswer" ? await newestVersion(object.resident) : 0;
  const invoke = async (instance: SessionInstance): Promise<unknown> => {
    const member: unknown = Reflect.get(instance, method);
    if (typeof member !== "function") throw new Violation(0, `the consumer calls ${method}, which the session lacks`);
    const answer: unknown = await Reflect.apply(member, instance, structuredClone(args));
    const step = leasedStep(answer);
    if (step !== null) requests.set(step.lease, step.request);
    return answer;
  };
  try {
    const answer = await object.call(invoke, fault).finally(() => follow(world, session, method));
    const step = leasedStep(answer);
    if (step !== null) world.leases.set(step.request, { session, lease: step.lease });
    if (method === "saveAnswer" && late === null) await noteSaved(session, args, requests, newestBefore);
    return answer;
  } catch (error) {
    if (error instanceof Violation) throw error;
    if (fault === null) throw new Violation(10, `${method} threw without a fault: ${String(error)}`);
    // Saved, though the consumer does not know.
    if (fault.kind === "answerLost" && method === "saveAnswer" && late === null) {
      await noteSaved(session, args, requests, newestBefore);
    }
    throw error;
  }
}

/** What a call did to the session, told or not. */
async function follow(world: World, session: SimulatedSession, method: string): Promise<void> {
  await followBackground(world, session);
  if (!CHANGES_REVISION.has(method)) return;
  // What rested on what is gone is made again, and paid again.
  if (method === "eraseCopied" || method === "carryOver") session.paid.clear();
  await noteRevision(session);
}

/** Why a call comes too late to change anything; null if it may. */
function whyLate(session: SimulatedSession, method: string, args: readonly unknown[]): string | null {
  if (WITHOUT_JOB.has(method)) return null;
  const [jobId, incarnation, third] = args.map(String);
  const job = jobsOf(session.object).find(({ id }) => id === jobId);
  if (job === undefined) return "its job is done";
  if (job.incarnation !== incarnation) return "its job belongs to another life";
  if (method === "saveAnswer" && job.lease !== third) return "its lease is lost";
  if (method === "saveAnswer" && job.state !== "owed") return "its job was given up";
  const row = sessionOf(session.object);
  if (job.kind === "erase" || job.kind === "erase-copies") return null;
  if (row?.incarnation !== incarnation) return "its life of the session is over";
  if (row.expired_at !== null) return "the session expired";
  return null;
}

async function newestVersion(instance: SessionInstance | null): Promise<number> {
  const outcome = await instance?.summaries(undefined, 1);
  return outcome?.ok === true ? (outcome.value.data[0]?.version ?? 0) : 0;
}

/** A better summary that is owed in the place of a makeshift goes on from the part that a model made: that was told under the job before. */
function passOnTold(session: SimulatedSession, told: ReadonlySet<number>): void {
  const made = draftOf(session.object);
  if (made === null || session.told.has(made.jobId)) return;
  session.told.set(made.jobId, new Set([...told].filter((seq) => seq <= made.throughSeq)));
}

/** An answer was saved: paid, and told. If a version landed with it, all that it covers was told. */
async function noteSaved(
  session: SimulatedSession,
  args: readonly unknown[],
  requests: Map<string, SummarizerRequest>,
  newestBefore: number,
): Promise<void> {
  const jobId = String(args[0]);
  const request = requests.get(String(args[2]));
  if (request === undefined)
    throw new Violation(7, "an answer was saved under a lease that its consumer does not hold");
  const isMakeshift = (args[4] ?? null) !== null;
  if (request.messages.length > 0 && !isMakeshift) session.paid.add(rangeOf(request));
  await noteRevision(session);
  const told = session.told.get(jobId) ?? new Set();
  session.told.set(jobId, told);
  for (const { seq } of request.messages) told.add(seq);
  passOnTold(session, told);
  const instance = session.object.resident;
  if (instance === null) return;
  const versions = value(await instance.summaries(undefined, 2), "summaries").data;
  const [newest, base] = versions;
  if (newest === undefined || newest.version === newestBefore) return;
  // A summary from scratch may stand after a version that covers as much: what it was told must reach back to the start.
  const from = Math.min(...told) === 1 ? 0 : (base?.throughSeq ?? 0);
  for (let seq = from + 1; seq <= newest.throughSeq; seq += 1) {
    const message = session.model?.log[seq - 1];
    if (message === undefined || message.content === null || told.has(seq)) continue;
    throw new Violation(7, `version ${newest.version} covers seq ${seq}, which its summarizer was never given`);
  }
}
