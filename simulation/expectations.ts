import type { AppendRequest, AppendResult } from "../src/api/append.ts";
import type { SummarizeRequest } from "../src/api/job.ts";
import { CREATION_GRANT_MS } from "../src/api/limits.ts";
import type { Erasure, MessagePatch } from "../src/api/message.ts";
import type { BranchRequest, SessionPatch } from "../src/api/session.ts";
import type { Summary } from "../src/api/summary.ts";
import type { Expect, Expected } from "./change.ts";
import { secretsOf } from "./chat-content.ts";
import { checkGone } from "./check-confirmed.ts";
import {
  appendTo,
  bornOf,
  edit,
  eraseAll,
  eraseOne,
  importedMessage,
  ledTo,
  type ModelSession,
  refusalOf,
  switchTo,
  type Transition,
} from "./model.ts";
import { checkAppendedContext } from "./reading.ts";
import { heldIn, newestVersionIn, sessionOf, versionsIn } from "./rows.ts";
import type { BegunImport, SessionCreation, Created, ForkSource, EpochRef, NumberedLine } from "./system-types.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** What a session's object has to do in each call that may change it. */

export const EXPECTATIONS: Readonly<Record<string, Expect>> = {
  append: (world, session, [request, creation]) =>
    expectAppend(world, session, request as AppendRequest, creation as SessionCreation | null),
  create: (world, session, [creation, , continued]) =>
    expectCreated(world, session, creation as SessionCreation, continued as EpochRef | undefined),
  update: (_, session, [patch]) => expectUpdated(session, patch as SessionPatch),
  editMessage(world, session, [id, given]) {
    const patch = given as MessagePatch;
    // An edit of a summarized message rebuilds the summary from the last version before it. A pin changes no text, so it rebuilds nothing.
    if (patch.content !== undefined || patch.metadata !== undefined) session.paid.clear();
    return { ...edit(session.model, String(id), patch), others: quotaRefusals(world, session) };
  },
  switchBranch(world, session, [request]) {
    const { headSeq } = request as BranchRequest;
    leaveBranch(session);
    // The log is the same before and after.
    const wasDone = async (): Promise<boolean> => {
      const state = await (await session.object.instance()).state();
      return state.ok && state.value.headSeq === headSeq;
    };
    return { ...switchTo(session.model, headSeq), others: quotaRefusals(world, session), wasDone };
  },
  eraseMessage: (world, session, [id]) => expectErased(world, session, String(id)),
  erase: (_, session) => eraseAll(session.model),
  summarize: (world, session, [request]) => expectSummary(world, session, request as SummarizeRequest),
  restoreSummary: (world, session, [version]) => expectRestored(world, session, Number(version)),
  maintain(_, session, [task]) {
    if (task === "rebuild") session.paid.clear();
    return unchanged(session, refusalOf(session.model) ?? "ok");
  },
  beginFork: (world, session, [, throughSeq]) => expectForkBegun(world, session, throughSeq as number | undefined),
  createFork: (world, session, [creation, source]) =>
    expectFork(world, session, creation as SessionCreation, source as ForkSource),
  beginContinuation: (_, session) =>
    unchanged(session, session.model?.status === "expired" ? "ok" : (refusalOf(session.model) ?? "ok")),
  beginImport: (world, session, [creation, begun]) =>
    expectImportBegun(world, session, creation as SessionCreation, begun as BegunImport),
  saveImportPage: (world, session, [epoch, lines]) =>
    expectImportPage(world, session, String(epoch), lines as NumberedLine[]),
  finishImport: (world, session, [epoch]) => expectImported(world, session, String(epoch)),
  abandonImport: (_, session, [epoch]) => expectAbandoned(session, String(epoch)),
};

function unchanged(session: SimulatedSession, answer: string): Transition<string> {
  return { after: session.model, answer, retired: [] };
}

/** Refusals that are allowed if a tenant's quota limits its sessions. */
function quotaRefusals(world: World, { ref }: SimulatedSession): readonly string[] | undefined {
  return world.hasLimits(ref.tenant) ? ["quota_exceeded"] : undefined;
}

/** Texts of earlier epochs may rightly come back with a copy. */
function beginAnew(session: SimulatedSession): void {
  session.retired = [];
  session.paid.clear();
}

/** The summary of another branch is another summary, even if it begins with the same messages. */
function leaveBranch(session: SimulatedSession): void {
  session.paid.clear();
}

/** Call it before an append: a message with `afterSeq` may start a branch. */
export function leaveBranchBy(session: SimulatedSession, { messages }: AppendRequest): void {
  if (messages.some(({ afterSeq }) => afterSeq !== undefined)) leaveBranch(session);
}

/** The current epoch. */
function epochRefOf({ object }: SimulatedSession): string {
  return sessionOf(object)?.epoch ?? "";
}

/** A session may not begin with a creation grant that is too old. */
function grantFault(world: World, { grantedAt }: SessionCreation): string | null {
  return grantedAt !== undefined && world.now() - grantedAt > CREATION_GRANT_MS ? "unavailable" : null;
}

// Append

/** A placeholder that is never the object's answer, because the object must not answer before the directory has. */
const ASKS = "asks the directory";

function expectAppend(
  world: World,
  session: SimulatedSession,
  request: AppendRequest,
  creation: SessionCreation | null,
): Expected {
  const before = session.model;
  const others = quotaRefusals(world, session);
  const reads = request.context !== undefined && request.context.query !== undefined && request.context.query !== null;
  if (before === null && creation === null) return { ...unchanged(session, "session_not_found"), others };
  if (before === null && creation?.grantedAt === undefined) {
    // A request that could not create any session is refused for that reason, and the directory is not asked.
    const begun = appendTo(null, request, {}, world.now()).answer;
    if (!begun.ok) return { ...unchanged(session, begun.code), others };
    return {
      ...unchanged(session, ASKS),
      others,
      reads,
      onGranted: (answer) =>
        answer.ok
          ? expectAppend(world, session, request, { ...creation, ...answer.value } as SessionCreation)
          : unchanged(session, answer.fault.code),
    };
  }
  const fault = before === null && creation !== null ? grantFault(world, creation) : null;
  if (fault !== null) return { ...unchanged(session, fault), others };
  leaveBranchBy(session, request);
  const { after, retired, answer } = appendTo(before, request, creation, world.now());
  return {
    after,
    retired,
    answer: answer.ok ? "ok" : answer.code,
    others,
    reads,
    onDone() {
      // What is said anew may stay: a request that took long may repeat what an earlier epoch said, and one whose messages
      // have no ids what was edited or erased meanwhile.
      const begun = after?.log.slice(before?.log.length ?? 0) ?? [];
      const said = new Set(secretsOf(begun.map(({ content, metadata }) => [content, metadata])));
      session.retired = session.retired.filter(({ secret }) => !said.has(secret));
    },
    check(value) {
      const given = value as AppendResult;
      if (!answer.ok) return;
      if (given.headSeq !== answer.headSeq) {
        throw new Violation(1, `an append answered headSeq ${given.headSeq}, not ${answer.headSeq}`);
      }
      if (JSON.stringify(given.messages) !== JSON.stringify(answer.messages)) {
        const [told, due] = [given.messages, answer.messages].map((messages) => JSON.stringify(messages));
        throw new Violation(2, `an append answered ${told}, not ${due}`);
      }
      if (request.context !== undefined && after !== null) checkAppendedContext(session, after, request.context, given);
    },
  };
}

// Sessions

function expectCreated(
  world: World,
  session: SimulatedSession,
  creation: SessionCreation,
  continued: EpochRef | undefined,
): Expected {
  const before = session.model;
  if (before !== null) {
    const told = unchanged(session, refusalOf(before) ?? "ok");
    return { ...told, check: (value) => expectOneCreation(value, false) };
  }
  const fault = grantFault(world, creation);
  if (fault !== null) return unchanged(session, fault);
  return {
    after: bornOf(creation),
    answer: "ok",
    retired: [],
    check: (value) => expectOneCreation(value, true),
    onDone() {
      if (continued === undefined) return;
      beginAnew(session);
      for (const epoch of sourcesOf(world, session, continued)) {
        world.epochs.addSource(epochRefOf(session), { kind: "items", epoch, throughSeq: 0 });
      }
      if (continued.session === "") world.epochs.seedFromUser(epochRefOf(session));
    },
  };
}

/** The epochs that a continuation may take items from. One that is seeded from a user may take some of each of the user's sessions. */
function sourcesOf(world: World, { space }: SimulatedSession, { session, epoch }: EpochRef): string[] {
  if (session !== "") return [epoch];
  return world.sessions
    .filter((other) => other.space === space)
    .flatMap(({ name }) => world.epochs.ofSession(name).map((ended) => ended.epoch));
}

function expectOneCreation(value: unknown, isNew: boolean): void {
  if ((value as Created).created !== isNew) throw new Violation(2, "a session is created twice");
}

function expectUpdated(session: SimulatedSession, patch: SessionPatch): Expected {
  const before = session.model;
  const refusal = refusalOf(before);
  if (before === null || refusal !== null) return unchanged(session, refusal ?? "ok");
  const after = {
    ...before,
    metadata: patch.metadata ?? before.metadata,
    settings: patch.settings ?? before.settings,
  };
  const isThere = (): boolean => {
    const row = sessionOf(session.object);
    return row?.metadata === JSON.stringify(after.metadata) && row.settings === JSON.stringify(after.settings);
  };
  return {
    after,
    answer: "ok",
    retired: [],
    wasDone: isThere,
    check() {
      if (!isThere()) throw new Violation(3, "the session has not what an update acknowledged");
    },
  };
}

function expectSummary(world: World, session: SimulatedSession, request: SummarizeRequest): Expected {
  // A client that requests a new summary of a range pays for it again.
  if (request.fromScratch === true) session.paid.clear();
  return { ...unchanged(session, refusalOf(session.model) ?? "ok"), others: quotaRefusals(world, session) };
}

/** A version that is reported as restored has the same items afterwards, and later versions are gone. */
function expectRestored(world: World, session: SimulatedSession, version: number): Expected {
  const before = newestVersionIn(session.object);
  const asked = versionsIn(session.object).find((row) => row.version === version);
  const isOther = (): boolean => newestVersionIn(session.object)?.version !== before?.version;
  const refusal = refusalOf(session.model) ?? (asked === undefined ? "summary_not_found" : null);
  return {
    ...unchanged(session, refusal ?? "ok"),
    others: [
      ...(asked === undefined ? [] : ["summary_version_mismatch", "summary_not_restorable"]),
      ...(quotaRefusals(world, session) ?? []),
    ],
    wasDone: isOther,
    check(value) {
      const told = value as Summary;
      const newest = newestVersionIn(session.object);
      if (newest?.version !== told.version || newest.throughSeq !== asked?.throughSeq) {
        throw new Violation(7, `version ${version} is reported as restored as ${told.version}, which is not the case`);
      }
      if (versionsIn(session.object).some((row) => row.version > version && row.version < told.version)) {
        throw new Violation(7, `version ${version} is restored, but a later one is still there`);
      }
    },
    onDone() {
      if (!isOther()) return;
      // Messages that later versions covered are summarized again, from this version on.
      session.paid.clear();
      session.told.clear();
      // The restored version may rightly cover less than those after it.
      session.heldBefore = heldIn(session.object) ?? session.heldBefore;
    },
  };
}

// Erasing

function expectErased(world: World, session: SimulatedSession, id: string): Expected {
  session.paid.clear();
  const transition = eraseOne(session.model, id);
  const old = session.model?.log.find((message) => message.id === id);
  const ended = epochRefOf(session);
  return {
    ...transition,
    check(value) {
      if ((value as Erasure).state !== "erased" || old === undefined) return;
      const secrets = [
        ...secretsOf([old.content, old.metadata]),
        ...session.retired.filter(({ seq, epoch }) => seq === old.seq && epoch === ended).map(({ secret }) => secret),
      ];
      // Another message may say the same.
      const left = new Set(secretsOf(transition.after?.log.map(({ content, metadata }) => [content, metadata])));
      checkGone(world, ended, old.seq, new Set(secrets.filter((secret) => !left.has(secret))));
    },
  };
}

// Forks

function expectForkBegun(world: World, session: SimulatedSession, throughSeq: number | undefined): Expected {
  const headSeq = session.model?.headSeq ?? 0;
  const isPast = throughSeq !== undefined && throughSeq > (session.model?.log.length ?? 0);
  return {
    ...unchanged(session, refusalOf(session.model) ?? (isPast ? "validation_failed" : "ok")),
    others: quotaRefusals(world, session),
    check(value) {
      const begun = value as ForkSource;
      if (begun.throughSeq === (throughSeq ?? headSeq)) return;
      throw new Violation(1, `a fork of ${headSeq} messages goes through ${begun.throughSeq}`);
    },
  };
}

function expectFork(world: World, session: SimulatedSession, creation: SessionCreation, source: ForkSource): Expected {
  const before = session.model;
  if (before !== null) {
    const origin = world.epochs.forkedFrom(epochRefOf(session));
    const isSame = origin?.epoch === source.epoch && (source.isNewest || origin.throughSeq === source.throughSeq);
    // The state of a session can be read while it is copied.
    const told = before.status === "copying" ? "ok" : (refusalOf(before) ?? "ok");
    return unchanged(session, isSame ? told : "session_exists");
  }
  const fault = grantFault(world, creation);
  if (fault !== null) return unchanged(session, fault);
  const born: ModelSession = { ...bornOf(creation), status: "copying" };
  return {
    after: born,
    answer: "ok",
    retired: [],
    onDone() {
      beginAnew(session);
      const { epoch, throughSeq } = source;
      world.epochs.addSource(epochRefOf(session), { kind: "fork", epoch, throughSeq });
    },
  };
}

// Imports

function isImporting(session: SimulatedSession, epoch: string): boolean {
  const row = sessionOf(session.object);
  return row?.epoch === epoch && row.erased_at === null && row.copying?.kind === "import";
}

function expectImportBegun(
  world: World,
  session: SimulatedSession,
  creation: SessionCreation,
  begun: BegunImport,
): Expected {
  if (session.model !== null) return unchanged(session, "session_exists");
  const fault = grantFault(world, creation);
  if (fault !== null) return unchanged(session, fault);
  return {
    after: { ...bornOf(creation), status: "copying" },
    answer: "ok",
    retired: [],
    onDone() {
      beginAnew(session);
      session.importing.length = 0;
      session.importedThrough = begun.throughLine;
    },
  };
}

function throughLineOf({ object }: SimulatedSession): number {
  return sessionOf(object)?.copying?.progress?.throughLine ?? 0;
}

function expectImportPage(
  world: World,
  session: SimulatedSession,
  epoch: string,
  lines: readonly NumberedLine[],
): Expected {
  if (!isImporting(session, epoch)) return unchanged(session, "session_not_found");
  return {
    ...unchanged(session, "ok"),
    // If nothing was changed during the export, the whole operation is compared.
    others: ["validation_failed", ...(quotaRefusals(world, session) ?? [])],
    wasDone: () => throughLineOf(session) > session.importedThrough,
    onDone() {
      const through = throughLineOf(session);
      const saved = lines.filter(({ number }) => number > session.importedThrough && number <= through);
      session.importing.push(...saved.map(({ line }) => line));
      session.importedThrough = through;
      for (const { line, vouchedBy } of saved) {
        const isOwn = line.type === "item" && line.sourceSession === undefined;
        if (isOwn) world.epochs.noteBrought(epoch, null, line);
        if (vouchedBy === undefined) continue;
        if (line.type === "item") world.epochs.noteBrought(epoch, vouchedBy.epoch, line);
        world.epochs.addSource(epoch, { kind: "items", epoch: vouchedBy.epoch, throughSeq: 0 });
      }
    },
  };
}

function expectImported(world: World, session: SimulatedSession, epoch: string): Expected {
  const before = session.model;
  if (before === null || !isImporting(session, epoch)) return unchanged(session, "session_not_found");
  const end = session.importing.find((line) => line.type === "end");
  const countOf = (type: string): number => session.importing.filter((line) => line.type === type).length;
  const isWhole =
    end?.messages === countOf("message") && end.summaries === countOf("summary") && end.items === countOf("item");
  if (!isWhole) return unchanged(session, "validation_failed");
  const log = session.importing.filter((line) => line.type === "message").map(importedMessage);
  const led = ledTo(log, end.branchHeadSeq ?? log.length);
  // A version that covers less than the one before tells of another branch, of which there may be no other trace.
  const covered = session.importing.flatMap((line) => (line.type === "summary" ? [line.throughSeq] : []));
  const isSole = led.isSole && covered.every((seq, at) => seq >= (covered[at - 1] ?? 0));
  const after = { ...before, status: "active", ...led, isSole } as const;
  session.imported = after;
  return {
    after,
    answer: "ok",
    retired: [],
    others: quotaRefusals(world, session),
  };
}

function expectAbandoned(session: SimulatedSession, epoch: string): Expected {
  const row = sessionOf(session.object);
  const isOpen = row?.epoch === epoch && row.erased_at === null && row.copying !== null;
  return isOpen ? { after: null, answer: "ok", retired: eraseAll(session.model).retired } : unchanged(session, "ok");
}
