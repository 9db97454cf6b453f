import type { MessageLine, TransferLine } from "../../../src/contracts/transfer.ts";
import { become } from "./become.ts";
import { change, expectCode } from "./change.ts";
import { secretsOf } from "./chat-content.ts";
import { value } from "./check-log.ts";
import { beginAnew } from "./lineage-steps.ts";
import { bornOf, type ModelMessage, refusalOf, saidBy } from "./model.ts";
import { pickSource, pickTarget } from "./pick-session.ts";
import { sessionOf } from "./rows.ts";
import type { Birth, ExportHead, Life, NumberedLine, SessionInstance } from "./system.ts";
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
  const { lines: summary, end } = value(await instance.endExport(head), "the end of an export");
  return [...lines, ...summary, end];
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
  const told = await fill(world, target, life, lines.slice(1, -1), head, end);
  if (told !== null) return `imported as ${name}${told}`;
  await checkExportedAgain(target, lines);
  return `imported as ${name}`;
}

async function beginImport(
  world: World,
  target: SimulatedSession,
  { metadata, settings, createdAt }: TransferLine & { type: "session" },
): Promise<Life | null> {
  const birth: Birth = { ref: target.ref, createdAt: Date.parse(createdAt), metadata, settings };
  const before = target.model;
  const tenant = tenantAsSeen(world);
  const lives: Life[] = [];
  if (before === null) beginAnew(target);
  await change(
    world,
    target,
    {
      after: before ?? { ...bornOf(birth), status: "copying" },
      answer: before === null ? "ok" : "session_exists",
      retired: [],
    },
    (instance) => instance.beginImport(birth, tenant),
    (given, expected) => {
      expectCode(given, expected, "an import");
      if (given.ok) lives.push(given.value);
    },
  );
  return lives[0] ?? null;
}

/** Returns what came between; null if the import is whole. */
async function fill(
  world: World,
  target: SimulatedSession,
  life: Life,
  lines: readonly TransferLine[],
  head: TransferLine & { type: "session" },
  end: TransferLine & { type: "end" },
): Promise<string | null> {
  const { random } = world;
  const numbered: NumberedLine[] = lines.map((line, index) => ({ number: index + 2, line }));
  let dropped = 0;
  while (numbered.length > 0) {
    const page = numbered.splice(0, random.between(1, MAX_PAGE_LINES));
    if (random.chance(ABANDONED_SHARE)) return abandon(world, target, life);
    dropped += value(
      await target.object.call((instance) => instance.saveImportPage(life.incarnation, page)),
      "a page of an import",
    ).dropped;
  }
  if (dropped > 0) throw new Violation(8, `an import drops ${dropped} items that the exporting session stood by`);
  world.directory.register(target, Date.parse(head.createdAt));
  const log = lines.filter((line) => line.type === "message").map(importedMessage);
  const after = { ...bornOf(head), log };
  const told = await change(
    world,
    target,
    { after, answer: "ok", retired: [] },
    (instance) => instance.finishImport(life.incarnation, end, dropped),
    (given, expected) => expectCode(given, expected, "the end of an import"),
  );
  if (target.model?.status !== "active") return abandon(world, target, life);
  const known = world.lives.get(life.incarnation);
  const foreign = lines.filter((line) => line.type === "item" && line.sourceSession !== undefined);
  if (known !== undefined) known.foreign = secretsOf(foreign);
  return told === "" ? null : told;
}

/** The service leaves nothing of an import that failed, unless it cannot reach the object. */
async function abandon(world: World, target: SimulatedSession, life: Life): Promise<string> {
  if (world.random.chance(0.4)) return ", half of it, by somebody who is gone";
  await target.object.call((instance) => instance.abandonImport(life.incarnation));
  const row = sessionOf(target.object);
  if (row !== null && row.erased_at === null)
    throw new Violation(9, "something is left of an import that was given up");
  become(world, target, null, [], life.incarnation);
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
