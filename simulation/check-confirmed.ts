import { secretsOf } from "./chat-content.ts";
import { sessionOf } from "./rows.ts";
import { versionsOf } from "./simulated-archive.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** How a copy is notified of an erasure elsewhere. */
export interface Told {
  readonly source: { readonly epoch: string };
  readonly seqs: readonly number[] | null;
  readonly throughSeq?: number;
  readonly through?: object;
}

/**
 * Promise 9: when a copy confirms an erasure, neither it nor the archive has the erased text any more. Only copies with a single source
 * are checked: a copy with several may have the same text from another one, which will still notify it of the erasure.
 */
export function checkConfirmed(world: World, session: SimulatedSession, told: readonly Told[], answer: unknown): void {
  const isConfirmed =
    typeof answer === "object" && answer !== null && "isConfirmed" in answer && answer.isConfirmed === true;
  if (!isConfirmed) return;
  const { object, label, model } = session;
  const epoch = sessionOf(object)?.epoch ?? "";
  const [source, ...others] = world.epochs.get(epoch)?.sources ?? [];
  if (source === undefined || others.length > 0) return;
  const ofSource = told.filter((one) => one.through === undefined && one.source.epoch === source.epoch);
  const last = source.kind === "fork" ? source.throughSeq : Number.POSITIVE_INFINITY;
  const erased = new Set(ofSource.flatMap((one) => secretsErasedBy(world, one, last)));
  if (erased.size === 0) return;
  const rightly = world.epochs.carried(epoch);
  for (const secret of secretsOf(model?.log.map(({ content, metadata }) => [content, metadata]))) rightly.add(secret);
  const isLeft = (secret: string): boolean => erased.has(secret) && !rightly.has(secret);
  const inObject = secretsOf(object.disk.dump()).find(isLeft);
  if (inObject !== undefined) throw new Violation(9, `${label} confirms an erasure, and its object says ${inObject}`);
  // If a restored backup of the archive brought erased text back, the operator has to erase it again.
  if (world.isRestored) return;
  const inArchive = secretsOf(versionsOf(world.archive.copy, epoch)).find(isLeft);
  if (inArchive !== undefined)
    throw new Violation(9, `${label} confirms an erasure, and its archive says ${inArchive}`);
}

/** Everything that erased messages ever said, unless another message of theirs says the same. */
function secretsErasedBy(world: World, { source, seqs, throughSeq }: Told, last: number): string[] {
  const epoch = world.epochs.get(source.epoch);
  if (epoch === undefined) return [];
  const isMeant = (seq: number): boolean =>
    seq <= last && (seqs === null ? seq <= (throughSeq ?? Number.POSITIVE_INFINITY) : seqs.includes(seq));
  const kept = epoch.isErased
    ? []
    : secretsOf(epoch.moments.at(-1)?.map(({ content, metadata }) => [content, metadata]));
  const left = new Set(kept);
  return [...epoch.said].flatMap(([seq, said]) =>
    isMeant(seq) && world.epochs.isErased(source.epoch, seq) ? [...said].filter((secret) => !left.has(secret)) : [],
  );
}

/**
 * Promise 9: when every copy has confirmed, nothing of what they were told is left in any of them.
 * @param told the erased messages of this epoch that they had to be told of
 */
export function checkAllConfirmed(world: World, epoch: string, told: readonly number[]): void {
  for (const seq of told) {
    checkCopiesGone(world, epoch, seq, new Set(secretsErasedBy(world, { source: { epoch }, seqs: [seq] }, seq)));
  }
}

/** Erased text must be gone everywhere: from the archive, from every copy, and from what the archive has of the copies. */
export function checkGone(world: World, ended: string, seq: number, secrets: ReadonlySet<string>): void {
  checkArchive(world, { epoch: ended, seq }, (secret) => secrets.has(secret));
  checkCopiesGone(world, ended, seq, secrets);
}

function checkCopiesGone(world: World, ended: string, seq: number, secrets: ReadonlySet<string>): void {
  if (secrets.size === 0) return;
  const copies = world.epochs.copiesOf(ended, seq);
  const affected = new Set([ended, ...copies.map(({ epoch }) => epoch)]);
  for (const { epoch, name } of copies) {
    // A copy may have the same from a session that the erasure does not reach: the one that the erased message was a copy of.
    const rightly = world.epochs.carried(epoch, affected);
    // Another message of the copy may say the same, also one that was edited in the source since then.
    const isFork = world.epochs.forkedFrom(epoch) !== undefined;
    const others = world.epochs
      .get(epoch)
      ?.moments.at(-1)
      ?.filter((message) => !isFork || message.seq !== seq);
    for (const secret of secretsOf(others?.map(({ content, metadata }) => [content, metadata]))) rightly.add(secret);
    const isLeft = (secret: string): boolean => secrets.has(secret) && !rightly.has(secret);
    checkArchive(world, { epoch, seq, where: ` for its copy ${name}` }, isLeft);
    const copy = world.sessions.find((session) => session.name === name);
    if (copy === undefined || sessionOf(copy.object)?.epoch !== epoch) continue;
    if (secretsOf(copy.object.disk.dump()).some(isLeft)) {
      throw new Violation(9, `seq ${seq} is reported as erased everywhere, but the object of its copy ${name} says it`);
    }
  }
}

function checkArchive(
  world: World,
  { epoch, seq, where = "" }: { epoch: string; seq: number; where?: string },
  isLeft: (secret: string) => boolean,
): void {
  // If a restored backup of the archive brought erased text back, the operator has to erase it again.
  if (world.isRestored || !secretsOf(versionsOf(world.archive.copy, epoch)).some(isLeft)) return;
  throw new Violation(9, `seq ${seq} is reported as erased everywhere, but the archive still says it${where}`);
}
