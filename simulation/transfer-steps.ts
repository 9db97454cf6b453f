import { MAX_MENDED_PATHS } from "../src/api/limits.ts";
import { canonicalJson, type Json } from "../src/api/text.ts";
import type { TransferLine } from "../src/api/transfer.ts";
import type { AtGate } from "./activity.ts";
import { restsOnOthers } from "./become.ts";
import { alikeFiles } from "./chat-content.ts";
import { value } from "./check-log.ts";
import { type ClientCall, describeEnd } from "./client-call.ts";
import { makeRoom } from "./client-steps.ts";
import { ask, askUpTo, goOn } from "./clients.ts";
import { tellCopies, whileHealthy, workOff } from "./machine-steps.ts";
import type { ModelMessage } from "./model.ts";
import { logOf, pickSource, pickTarget } from "./pick-session.ts";
import type { Random } from "./random.ts";
import { carriedSources, hasCarriedItems, hasPendingErasures, sessionOf } from "./rows.ts";
import type { ExportEnd, ExportHead, RequestContext, SessionInstance } from "./system-types.ts";
import { asSent } from "./unstorable.ts";
import { Violation } from "./violation.ts";
import type { ExportFile, SimulatedSession, World } from "./world.ts";

/** Sessions that are exported and imported again. */

const MAX_FILES = 4;
/** The share of imports of a file with items of other sessions in which such a message is erased right after it was confirmed. */
const MET_SHARE = 0.7;
/** The share of imports that import a fresh export of a session with items of other sessions, if there is one. */
const MOVED_SHARE = 0.6;
/** The share of sessions that get two files that begin alike before they move. */
const FILED_SHARE = 0.4;
/** The share of imports whose file ends too early or has an invalid line, and of those that are abandoned half way. */
const BROKEN_SHARE = 0.3;
const LEFT_SHARE = 0.35;
const LINES_AT_ONCE = 4;
/** Files with items of other sessions are exported and imported more often than others. */
const CLAIMING_SHARE = 0.6;
/** An import whose next step stores what another session has just confirmed. */
const IS_VOUCHED = { after: /^vouch/, next: /^saveImportPage/ } as const;

export async function exportSession(world: World): Promise<string> {
  return exportOne(world, pickExported(world));
}

async function exportOne(world: World, session: SimulatedSession): Promise<string> {
  const epoch = sessionOf(session.object)?.epoch ?? "";
  const call = await ask(world, `export ${session.label}`, session.space, async (by) => {
    const lines: TransferLine[] = [];
    for await (const line of await world.system.exportSession(by, session.ref.session)) lines.push(line);
    note(world, session, epoch, lines);
    return lines.length;
  });
  const lines = call.ended?.kind === "answer" ? `${call.ended.answer} lines` : describeEnd(call.ended);
  return `${session.label} → ${lines}`;
}

/** Often a session with items of other sessions, which have to confirm them when the file is imported. */
function pickExported(world: World): SimulatedSession {
  const any = pickSource(world);
  const made = world.sessions.filter(({ model, object }) => model?.status === "active" && hasCarriedItems(object));
  return (world.aside.chance(CLAIMING_SHARE) ? world.aside.pick(made) : undefined) ?? any;
}

function pickFile(world: World): ExportFile | undefined {
  const any = world.random.pick(world.files);
  const claiming = world.files.filter(isClaiming);
  return (world.aside.chance(CLAIMING_SHARE) ? world.aside.pick(claiming) : undefined) ?? any;
}

/** Whether a file contains items of other sessions. */
function isClaiming({ lines }: ExportFile): boolean {
  return lines.some((line) => line.type === "item" && line.sourceSession !== undefined);
}

/** A file, compared with the log if it says that it is complete. Called when its last line is read. */
function note(world: World, session: SimulatedSession, epoch: string, lines: readonly TransferLine[]): void {
  const end = lines.at(-1);
  if (end?.type !== "end") throw new Violation(5, "an export ends without its end");
  const log = session.model?.log ?? [];
  if (end.complete) checkLines(lines, log, end.messages);
  world.files.push({ session, epoch, lines, log: end.complete ? log : null });
  if (world.files.length > MAX_FILES) world.files.shift();
}

/** An export that says it is complete is of one moment. */
function checkLines(lines: readonly TransferLine[], log: readonly ModelMessage[], headSeq: number): void {
  const messages = lines.filter((line) => line.type === "message");
  if (messages.length !== headSeq) throw new Violation(1, `an export of ${headSeq} messages has ${messages.length}`);
  for (const line of messages) {
    const said = log[line.seq - 1];
    if (said === undefined || JSON.stringify(line.content ?? null) !== JSON.stringify(said.content)) {
      throw new Violation(5, `an export that is complete says of seq ${line.seq} what the log does not`);
    }
    if ((line.pinned === true) !== said.isPinned) {
      throw new Violation(13, `an export that is complete tells of a pin of seq ${line.seq} what the log does not`);
    }
  }
}

export async function importSession(world: World): Promise<string> {
  const told = await importAny(world);
  const { aside } = world;
  if (!world.isEventful || !aside.chance(MOVED_SHARE)) return told;
  const living = world.sessions.filter(({ model }) => model?.status === "active" && model.log.length > 0);
  const pinning = living.filter((session) => logOf(session).some(({ isPinned }) => isPinned));
  const claiming = living.filter(({ object }) => hasCarriedItems(object));
  const session = aside.pick(aside.of(claiming, pinning)) ?? aside.pick(living);
  if (session === undefined) return told;
  return `${told}; ${await whileHealthy(world, () => moveWithFiles(world, session))}`;
}

async function moveWithFiles(world: World, session: SimulatedSession): Promise<string> {
  const { aside, system } = world;
  if (!aside.chance(FILED_SHARE)) return move(world, session);
  const messages = alikeFiles(aside).map((file) => ({ role: "user" as const, content: [file] }));
  const call = await ask(world, `append ${session.label}`, session.space, (by) =>
    system.appendMessages(by, session.ref.session, { messages }),
  );
  return `two files that begin alike → ${describeEnd(call.ended)}; ${await move(world, session)}`;
}

async function importAny(world: World): Promise<string> {
  const moved = await moveAside(world);
  if (moved !== null) return moved;
  const file = pickFile(world);
  if (file === undefined) return "nothing was exported";
  return importFile(world, file, pickTarget(world, file.session) ?? file.session);
}

/**
 * A session with items of other sessions is exported and imported again, as another session or in its own place; null if there is none,
 * or by random choice.
 */
async function moveAside(world: World): Promise<string | null> {
  const { aside } = world;
  const session = aside.chance(MOVED_SHARE)
    ? aside.pick(world.sessions.filter(({ model, object }) => model?.status === "active" && hasCarriedItems(object)))
    : undefined;
  return session === undefined ? null : whileHealthy(world, () => move(world, session));
}

async function move(world: World, session: SimulatedSession): Promise<string> {
  const { aside } = world;
  const written = await exportOne(world, session);
  const file = world.files.findLast((known) => known.session === session);
  if (file === undefined) return written;
  const free = aside.pick(world.sessions.filter(({ space, model }) => space === session.space && model === null));
  const target = free ?? session;
  const emptied = free === undefined ? `${await makeRoom(world, session)}; ` : "";
  // An earlier epoch of it is notified of erasures, too, until it is gone everywhere.
  if (free !== undefined) await workOff(world, [free]);
  return `${written}; ${emptied}${await importFile(world, file, target)}`;
}

async function importFile(world: World, file: ExportFile, target: SimulatedSession): Promise<string> {
  const { random } = world;
  const breaksAt = random.chance(BROKEN_SHARE) ? random.below(file.lines.length) : file.lines.length;
  const name = `import ${file.session.label} as ${target.label}`;
  const sent = asTyped(world.aside, file);
  const take = async (by: RequestContext, atGate: AtGate) => {
    const result = await world.system.importSession(
      by,
      linesOf(random, atGate, sent.lines, breaksAt),
      target.ref.session,
    );
    expectMended(result.mended ?? [], sent.places);
    await checkImported(target, file, result.droppedItems);
    return result;
  };
  const isMet = isClaiming(file) && world.aside.chance(MET_SHARE);
  const call = isMet
    ? await askUpTo(world, name, target.space, IS_VOUCHED, take)
    : await ask(world, name, target.space, take, LEFT_SHARE);
  // Half of it is imported: its items' sources in other sessions may be erased before the rest comes.
  const changed = call.isDone ? null : await eraseClaimed(world, file, target, isMet);
  if (changed !== null) await goOn(world, call);
  if (breaksAt === file.lines.length) expectTaken(file, call);
  if (call.ended?.kind === "answer") checkNoneErased(world, target);
  const broken = breaksAt < file.lines.length ? `, broken at line ${breaksAt + 1}` : "";
  return `${file.session.label} as ${target.label}${broken}${changed ?? ""} → ${describeEnd(call.ended)}`;
}

/**
 * Erases a message that an item of a file cites, in that message's session; null if there is none.
 * @param isTold the import is notified before it continues
 */
async function eraseClaimed(
  world: World,
  { lines }: ExportFile,
  { space }: SimulatedSession,
  isTold: boolean,
): Promise<string | null> {
  const claims = world.sessions.flatMap((session) =>
    session.space === space
      ? lines.flatMap((line) =>
          line.type === "item" && line.sourceSession === session.ref.session
            ? line.sourceSeqs.flatMap((seq) => logOf(session)[seq - 1] ?? []).map(({ id }) => ({ session, id }))
            : [],
        )
      : [],
  );
  const claim = world.random.pick(claims);
  if (claim === undefined || (world.random.chance(0.3) && !isTold)) return null;
  const { session, id } = claim;
  const call = await ask(world, `erase ${session.label}`, space, (by) =>
    world.system.eraseMessage(by, session.ref.session, id),
  );
  if (isTold) await tellCopies(world, session);
  return `; meanwhile erase ${session.label}: ${id} → ${describeEnd(call.ended)}`;
}

/** Promise 9: a complete import has nothing that is erased, unless it still has to be notified. */
function checkNoneErased(world: World, { label, object }: SimulatedSession): void {
  for (const { epoch, seqs } of carriedSources(object)) {
    const source = world.sessions.find(({ name }) => name === world.epochs.get(epoch)?.name);
    if (source === undefined || hasPendingErasures(source.object)) continue;
    const gone = seqs.find((seq) => world.epochs.isErased(epoch, seq));
    if (gone === undefined) continue;
    throw new Violation(
      9,
      `seq ${gone} of ${source.label} is erased, and an import as ${label} has an item that cites it`,
    );
  }
}

/** A handwritten file: some of its texts have characters that no store keeps. */
function asTyped(random: Random, { lines }: ExportFile): { lines: readonly unknown[]; places: readonly string[] } {
  const places: string[] = [];
  const typed = lines.map((line, index) => {
    if (line.type !== "message" || line.content === undefined) return line;
    const { value: content, places: found } = asSent(random, line.content, `line ${index + 1}/content`);
    places.push(...found);
    return { ...line, content };
  });
  return { lines: typed, places };
}

function expectMended(told: readonly string[], places: readonly string[]): void {
  if (told.join() === places.slice(0, MAX_MENDED_PATHS).join()) return;
  throw new Violation(13, `an import tells that ${told.join(", ")} is mended, and it is ${places.join(", ")}`);
}

/** The lines as they are sent, a few at a time: the sender may take long, and may break off. */
async function* linesOf(
  random: Random,
  atGate: AtGate,
  lines: readonly unknown[],
  breaksAt: number,
): AsyncGenerator<string> {
  const isCutOff = random.chance(0.5);
  for (let at = 0; at < lines.length; at += LINES_AT_ONCE) {
    await atGate("more lines", async (passage) => {
      if (passage === "faulty") throw new Error("whoever sends the file is gone, as the simulation asked");
    });
    for (const [index, line] of lines.slice(at, at + LINES_AT_ONCE).entries()) {
      if (at + index === breaksAt) {
        if (!isCutOff) yield "this is no line";
        return;
      }
      yield JSON.stringify(line);
    }
  }
}

/** An exported session can be imported, unless its id is taken or something happened in between. */
function expectTaken({ log }: ExportFile, { ended, hasMetFault }: ClientCall): void {
  if (log === null || hasMetFault || ended?.kind !== "refusal" || ended.code !== "validation_failed") return;
  throw new Violation(7, `an export cannot be imported: ${ended.detail}`);
}

/** An import that is exported again gives the same lines, except for the session's id. */
async function checkImported(target: SimulatedSession, { lines }: ExportFile, dropped: number): Promise<void> {
  const foreign = lines.filter((line) => line.type === "item" && line.sourceSession !== undefined);
  // If the newest version is left without items, all versions go, and with them what earlier ones said of the session's own messages.
  if (dropped > foreign.length && !restsOnOthers(lines)) {
    throw new Violation(8, `an import drops ${dropped - foreign.length} items that the exporting session had`);
  }
  // Sessions that items name may be gone, and confirm nothing. Others may have changed the session before the importer has its answer.
  if (dropped > 0 || target.model !== target.imported) return;
  const instance = await target.object.instance();
  const again = await readLines(instance, value(await instance.beginExport(), "an export"));
  for (const [index, line] of lines.entries()) {
    const expected = line.type === "session" ? { ...line, id: target.ref.session } : line;
    if (textOf(again[index]) === textOf(expected)) continue;
    throw new Violation(
      7,
      `an import gives another export at line ${index + 1}:\n` +
        `    first ${JSON.stringify(expected)}\n    again ${JSON.stringify(again[index])}`,
    );
  }
  if (again.length !== lines.length) throw new Violation(7, `an import gives ${again.length} of ${lines.length} lines`);
}

async function readLines(instance: SessionInstance, head: ExportHead): Promise<TransferLine[]> {
  const lines: TransferLine[] = [head.line];
  for (let afterSeq = 0; afterSeq < head.headSeq;) {
    const page = value(await instance.exportPage(head, afterSeq), "a page of an export");
    lines.push(...page);
    afterSeq = page.at(-1)?.seq ?? head.headSeq;
  }
  for (let from: ExportEnd["next"] = null; ;) {
    const page: ExportEnd = value(await instance.endExport(head, from), "the end of an export");
    lines.push(...page.lines, ...(page.end === null ? [] : [page.end]));
    if (page.next === null) return lines;
    from = page.next;
  }
}

/** The same whatever order the client's settings have, because those that come over HTTP are put into one order. */
function textOf(line: TransferLine | undefined): string {
  return canonicalJson((line ?? null) as Json);
}
