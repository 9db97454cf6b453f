import type { MessageLine, TransferLine } from "../../../src/contracts/transfer.ts";
import { become } from "./become.ts";
import { change, expectCode } from "./change.ts";
import { value } from "./check-log.ts";
import { beginAnew } from "./lineage-steps.ts";
import { bornOf, type ModelMessage, refusalOf, saidBy } from "./model.ts";
import { pickSource, pickTarget } from "./pick-session.ts";
import { sessionOf } from "./rows.ts";
import type { Birth, ExportEnd, ExportHead, Life, NumberedLine, SessionInstance } from "./system.ts";
import { tenantAsSeen } from "./tenant.ts";
import { Violation } from "./violation.ts";
import type { BegunExport, SimulatedSession, World } from "./world.ts";

/** Sessions as lines, out and in again, as the service does it. */

/** Of an import, those that are given up half way, by a client that is gone. */
const ABANDONED_SHARE = 0.1;
const MAX_PAGE_LINES = 12;

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

/** An export in one go, or its beginning; a begun one goes on from where others have been since. */
export async function transfer(world: World): Promise<string> {
  const open = world.begunExport;
  if (open !== null) {
    world.begunExport = null;
    return endTransfer(world, open);
  }
  const session = pickSource(world);
  const refusal = refusalOf(session.model);
  const outcome = await (await session.object.instance()).beginExport();
  expectCode(outcome, refusal ?? "ok", "an export");
  if (!outcome.ok) return `${session.ref.session} → ${refusal}`;
  const begun: BegunExport = {
    session,
    head: outcome.value,
    incarnation: sessionOf(session.object)?.incarnation ?? "",
  };
  if (world.random.chance(0.8)) return endTransfer(world, begun);
  world.begunExport = begun;
  return `${session.ref.session}: begun`;
}

async function endTransfer(world: World, { session, head, incarnation }: BegunExport): Promise<string> {
  const name = session.ref.session;
  const { model } = session;
  const isOver = sessionOf(session.object)?.incarnation !== incarnation;
  if (model === null || refusalOf(model) !== null || isOver) return `${name} is gone`;
  const lines = await readLines(await session.object.instance(), head);
  const end = lines.at(-1);
  if (end?.type !== "end" || !end.complete) return `${name} was changed meanwhile`;
  checkLines(lines, model.log, head);
  const target = pickTarget(world, session);
  if (target === undefined) return `${name}: ${lines.length} lines`;
  return `${name}: ${lines.length} lines, ${await importLines(world, target, lines, end)}`;
}

/** An export that says it is complete is of one moment. */
function checkLines(lines: readonly TransferLine[], log: readonly ModelMessage[], head: ExportHead): void {
  const messages = lines.filter((line) => line.type === "message");
  if (messages.length !== head.headSeq) {
    throw new Violation(1, `an export of ${head.headSeq} messages has ${messages.length}`);
  }
  for (const line of messages) {
    const said = log[line.seq - 1];
    if (said === undefined || JSON.stringify(line.content ?? null) !== JSON.stringify(said.content)) {
      throw new Violation(5, `an export that is complete says of seq ${line.seq} what the log does not`);
    }
  }
}

async function importLines(
  world: World,
  target: SimulatedSession,
  lines: readonly TransferLine[],
  end: TransferLine & { type: "end" },
): Promise<string> {
  const [head] = lines;
  if (head?.type !== "session") throw new Violation(0, "an export does not begin with its session");
  const life = await beginImport(world, target, head);
  const name = target.ref.session;
  if (life === null) return `not imported as ${name}`;
  const filling: Filling = { world, target, incarnation: life.incarnation, throughLine: 1, dropped: 0 };
  const told = await fill(filling, lines.slice(1, -1), head, end);
  if (told !== null) return `imported as ${name}${told}`;
  if (filling.dropped > 0) return `imported as ${name}, without ${filling.dropped} items of other sessions`;
  await checkExportedAgain(target, lines);
  return `imported as ${name}`;
}

/** Given up by the alarm after so long. */
const PATIENCE_MS = 15 * 60_000;

async function beginImport(
  world: World,
  target: SimulatedSession,
  { metadata, settings, createdAt }: TransferLine & { type: "session" },
): Promise<{ readonly incarnation: string } | null> {
  const birth: Birth = { ref: target.ref, createdAt: Date.parse(createdAt), metadata, settings };
  const before = target.model;
  const tenant = tenantAsSeen(world);
  const begun = { id: `import-${world.random.below(1_000_000)}`, throughLine: 1, patienceMs: PATIENCE_MS };
  const lives: { readonly incarnation: string }[] = [];
  if (before === null) beginAnew(target);
  await change(
    world,
    target,
    {
      after: before ?? { ...bornOf(birth), status: "copying" },
      answer: before === null ? "ok" : "session_exists",
      retired: [],
    },
    (instance) => instance.beginImport(birth, begun, tenant),
    (given, expected) => {
      expectCode(given, expected, "an import");
      if (given.ok) lives.push(given.value);
    },
  );
  return lives[0] ?? null;
}

/** An import whose lines are on their way. */
interface Filling {
  readonly world: World;
  readonly target: SimulatedSession;
  readonly incarnation: string;
  throughLine: number;
  /** Items that nobody vouched for. */
  dropped: number;
}

/** Returns what came between; null if the import is whole. */
async function fill(
  filling: Filling,
  lines: readonly TransferLine[],
  head: TransferLine & { type: "session" },
  end: TransferLine & { type: "end" },
): Promise<string | null> {
  const { world, target, incarnation } = filling;
  const { random } = world;
  const numbered: NumberedLine[] = [...lines, end].map((line, index) => ({ number: index + 2, line }));
  while (numbered.length > 0) {
    const page = numbered.splice(0, random.between(1, MAX_PAGE_LINES));
    if (random.chance(ABANDONED_SHARE)) return abandon(filling);
    await savePage(filling, page);
  }
  world.directory.register(target, Date.parse(head.createdAt));
  const log = lines.filter((line) => line.type === "message").map(importedMessage);
  const after = { ...bornOf(head), log };
  const told = await change(
    world,
    target,
    { after, answer: "ok", retired: [] },
    (instance) => instance.finishImport(incarnation),
    (given, expected) => expectCode(given, expected, "the end of an import"),
  );
  if (target.model?.status !== "active") return abandon(filling);
  return told === "" ? null : told;
}

/** Asks the sessions that items name, and saves the page; sometimes twice, as after a lost answer. */
async function savePage(filling: Filling, page: readonly NumberedLine[]): Promise<void> {
  const { world, target, incarnation } = filling;
  const vouched: NumberedLine[] = [];
  let unvouched = 0;
  for (const numbered of page) {
    const life = await vouchedBy(filling, numbered.line);
    if (life === null) unvouched += 1;
    vouched.push(life === null || life === undefined ? numbered : { ...numbered, vouchedBy: life });
  }
  const last = page.at(-1)?.number ?? 0;
  const dropped = filling.dropped + unvouched;
  const save = async (): Promise<void> => {
    const call = (instance: SessionInstance) => instance.saveImportPage(incarnation, vouched, last);
    const saved = value(await target.object.call(call), "a page of an import");
    filling.throughLine = saved.throughLine;
    filling.dropped = saved.dropped;
  };
  while (filling.throughLine < last) await save();
  if (world.random.chance(0.2)) await save();
  if (filling.dropped !== dropped) {
    throw new Violation(8, `an import drops ${filling.dropped - dropped} items that the exporting session stood by`);
  }
}

/** The life that bears an item of another session out; null if none does, undefined for what names no other session. */
async function vouchedBy({ world, target }: Filling, line: TransferLine): Promise<Life | null | undefined> {
  if (line.type !== "item" || line.sourceSession === undefined) return undefined;
  const source = world.sessions.find(({ ref }) => ref.session === line.sourceSession);
  if (source === undefined) return null;
  const told = await source.object.call((instance) => instance.vouch(target.ref.session, [line]));
  return told.ok && told.value.answers[0] === true ? told.value : null;
}

/** The service leaves nothing of an import that failed, unless it cannot reach the object. */
async function abandon({ world, target, incarnation }: Filling): Promise<string> {
  if (world.random.chance(0.4)) return ", half of it, by somebody who is gone";
  await target.object.call((instance) => instance.abandonImport(incarnation));
  const row = sessionOf(target.object);
  if (row !== null && row.erased_at === null)
    throw new Violation(9, "something is left of an import that was given up");
  become(world, target, null, [], incarnation);
  return ", half of it, and given up";
}

function importedMessage(line: MessageLine): ModelMessage {
  const { seq, id, role, author, metadata, occurredAt } = line;
  const content = line.content ?? null;
  const sent = {
    id,
    role,
    ...(author === undefined ? {} : { author }),
    content: content ?? "",
    ...(metadata === undefined ? {} : { metadata }),
    ...(occurredAt === undefined ? {} : { occurredAt }),
  };
  return {
    seq,
    id,
    role,
    author,
    first: content === null ? null : saidBy(sent),
    content,
    metadata,
    isEdited: line.editedAt !== undefined,
    isComparedAsSaid: true,
    createdAt: Date.parse(line.createdAt),
    sent,
  };
}

/** Exported again, it gives the same lines but for its id. */
async function checkExportedAgain(target: SimulatedSession, lines: readonly TransferLine[]): Promise<void> {
  const instance = await target.object.instance();
  const again = await readLines(instance, value(await instance.beginExport(), "an export"));
  for (const [index, line] of lines.entries()) {
    const expected = line.type === "session" ? { ...line, id: target.ref.session } : line;
    if (JSON.stringify(again[index]) === JSON.stringify(expected)) continue;
    throw new Violation(
      7,
      `an import gives another export at line ${index + 1}:\n` +
        `    first ${JSON.stringify(expected)}\n    again ${JSON.stringify(again[index])}`,
    );
  }
  if (again.length !== lines.length) throw new Violation(7, `an import gives ${again.length} of ${lines.length} lines`);
}
