import { secretsOf } from "./chat-content.ts";
import { jobsOf, sessionOf } from "./rows.ts";
import { versionsOf } from "./simulated-archive.ts";
import type { SimulatedObject } from "./simulated-object.ts";
import type { DirectoryInstance } from "./system-types.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, Space, World } from "./world.ts";

/** What holds for all sessions of an owner: each is listed, and nothing is left of an erased user. */

const EVERYTHING = 1_000;

/** The state of each directory, and of its sessions, at the last check. */
const looked = new WeakMap<SimulatedObject<DirectoryInstance>, string>();

export async function checkSpaces(world: World): Promise<void> {
  for (const space of world.spaces) {
    const sessions = world.sessions.filter((session) => session.space === space);
    const directories = world.directories().filter((directory) => directory.space === space);
    const basis = JSON.stringify([
      sessions.map(({ model, object }) => [model?.status ?? null, object.disk.version]),
      directories.map(({ object }) => object.disk.version),
      world.archive.copy.sessions.length,
    ]);
    const [first] = directories;
    if (first === undefined || looked.get(first.object) === basis) continue;
    looked.set(first.object, basis);
    await checkSpace(
      world,
      space,
      sessions,
      directories.map(({ object }) => object),
    );
  }
}

async function checkSpace(
  world: World,
  space: Space,
  sessions: readonly SimulatedSession[],
  directories: readonly SimulatedObject<DirectoryInstance>[],
): Promise<void> {
  const listed = new Map<string, boolean>();
  for (const directory of directories) {
    const instance = await directory.instance();
    const erasure = await instance.readErasure();
    if (erasure !== null) {
      if (erasure.state === "erased") checkErased(world, space, sessions);
      return;
    }
    const { entries } = await instance.list({ limit: EVERYTHING, after: null, metadata: {} });
    for (const { id, expiredAt } of entries) listed.set(id, expiredAt !== undefined);
  }
  for (const { ref, model, label, object } of sessions) {
    if (model === null || model.status === "copying" || listed.has(ref.session)) continue;
    // Until the removal of an earlier epoch is over nobody knows which epoch the entry belongs to.
    if (!jobsOf(object).some(({ kind }) => kind === "erase"))
      throw new Violation(9, `${label} exists, but no list names it`);
  }
}

/** If the service found nothing left of a user, then nothing is left. */
function checkErased(world: World, { tenant, owner }: Space, sessions: readonly SimulatedSession[]): void {
  const user = `${tenant}/${owner}`;
  for (const { model, label, object, erasedEpochs } of sessions) {
    if (model !== null) throw new Violation(9, `${user} is reported as erased, but ${label} exists`);
    const left = secretsOf(object.disk.dump());
    if (left.length > 0)
      throw new Violation(9, `${user} is reported as erased, but the object of ${label} says ${left[0]}`);
    for (const epoch of world.wasRestored ? [] : erasedEpochs) {
      const archived = secretsOf(versionsOf(world.archive.copy, epoch));
      if (archived.length === 0) continue;
      throw new Violation(9, `${user} is reported as erased, but the archive says ${archived[0]} for ${label}`);
    }
  }
  const named = world.archive.copy.sessions.find((row) => row.tenant === tenant && row.owner === owner);
  if (named !== undefined && !world.wasRestored) {
    throw new Violation(9, `${user} is reported as erased, but the archive names ${named.session}`);
  }
}

/** Once nothing is left to do, the list has the right metadata of each session, and whether it expired. */
export async function checkListed(world: World): Promise<void> {
  for (const { space, object } of world.directories()) {
    const { entries } = await (await object.instance()).list({ limit: EVERYTHING, after: null, metadata: {} });
    for (const { id, expiredAt, metadata } of entries) {
      const session = world.sessions.find((one) => one.space === space && one.ref.session === id);
      const model = session?.model ?? null;
      if (session === undefined || model === null || model.status === "copying") continue;
      if ((expiredAt !== undefined) !== (model.status === "expired")) {
        throw new Violation(3, `${session.label} is ${model.status}, and the list says otherwise`);
      }
      // For an expired session only the list has it.
      if (model.status === "expired") continue;
      const own = sessionOf(session.object)?.metadata;
      if (JSON.stringify(metadata) !== own) {
        throw new Violation(3, `${session.label} has the metadata ${own}, and the list ${JSON.stringify(metadata)}`);
      }
    }
  }
}
