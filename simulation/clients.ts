import type { Principal } from "../src/api/principal.ts";
import type { AtGate } from "./activity.ts";
import { ClientCall } from "./client-call.ts";
import { onArchive } from "./consumer-parts.ts";
import { namespaceOf } from "./network.ts";
import { StorageFault } from "./object-storage.ts";
import type { RequestContext } from "./system-types.ts";
import { Violation } from "./violation.ts";
import type { Space, World } from "./world.ts";

/** What clients request: operations as every surface calls them, which stop before each object that they call. */

/** The share of requests in which something goes wrong, and of those that continue later. */
const FAULT_SHARE = 0.1;
/** The same for requests of a user who is still unknown: the objects that they reach create their tables. */
const FIRST_FAULT_SHARE = 0.5;
const LEFT_SHARE = 0.05;
const FARTHEST_CALL = 4;
const MAX_OPEN_CALLS = 5;

const SCOPES = ["memory:read", "memory:write", "memory:erase"] as const;

function callOf(world: World, { tenant, owner }: Space, atGate: AtGate): RequestContext {
  const { system } = world;
  const isolate = world.random.pick(world.isolates) ?? world.newIsolate();
  const principal: Principal = { kind: "tenant-key", id: "key:simulated", tenant, owner, scopes: SCOPES };
  return {
    principal,
    requestId: "simulated",
    from: null,
    parts: {
      sessions: system.createSessionClient(namespaceOf(world, "session", atGate)),
      directory: system.createDirectoryClient(namespaceOf(world, "directory", atGate)),
      users: system.createUserClient(namespaceOf(world, "directory", atGate)),
      operations: system.createOperationsClient(namespaceOf(world, "operations", atGate)),
      tenants: isolate,
      audit: { record: () => undefined, refuse: () => undefined },
      withDatabase: onArchive(world, atGate, () => undefined),
      // A check of its own looks at what is found by meaning.
      meaningOf: null,
    },
  };
}

/** Starts a request. Its holder lets it continue. */
export async function begin<Answer>(
  world: World,
  name: string,
  space: Space,
  body: (call: RequestContext, atGate: AtGate) => Promise<Answer>,
): Promise<ClientCall<Answer>> {
  const call = new ClientCall<Answer>(world.nextActivityId, world.now(), name);
  world.nextActivityId += 1;
  world.calls.push(call);
  await call.start((atGate) => body(callOf(world, space, atGate), atGate));
  return call;
}

/** Lets a request continue until it is answered, waits for others, or has made so many calls. Returns what it called. */
export async function goOn(
  world: World,
  call: ClientCall,
  calls = Number.POSITIVE_INFINITY,
  faultAt = Number.POSITIVE_INFINITY,
): Promise<string[]> {
  const done: string[] = [];
  while (!call.isDone && done.length < calls) {
    const isFaulty = done.length === faultAt;
    if (isFaulty) call.hasMetFault = true;
    const label = await call.proceed(isFaulty ? "faulty" : "well", (count) => world.random.below(count));
    if (label === null) break;
    done.push(isFaulty ? `${label} (faulty)` : label);
  }
  if (call.isDone) forget(world, call);
  return done;
}

function forget(world: World, call: ClientCall): void {
  world.calls = world.calls.filter((other) => other !== call);
  const { ended } = call;
  if (ended?.kind !== "failure" || call.hasMetFault || world.registryState === "down") return;
  // Its object was evicted while it waited.
  if (ended.error instanceof StorageFault) return;
  throw new Violation(4, `${call.name} failed, and nothing went wrong: ${String(ended.error)}`);
}

/** A request from its beginning to its end, with faults on its way, or to where it is left for a while. */
export async function ask<Answer>(
  world: World,
  name: string,
  space: Space,
  body: (call: RequestContext, atGate: AtGate) => Promise<Answer>,
  leftShare = LEFT_SHARE,
): Promise<ClientCall<Answer>> {
  const { random } = world;
  const call = await beginWithRoom(world, name, space, body);
  const faultAt = random.chance(isNew(world, space) ? FIRST_FAULT_SHARE : FAULT_SHARE)
    ? random.below(FARTHEST_CALL)
    : Number.POSITIVE_INFINITY;
  const calls = random.chance(leftShare) ? random.below(FARTHEST_CALL) : Number.POSITIVE_INFINITY;
  await goOn(world, call, calls, faultAt);
  return call;
}

/** Starts a request. If too many are open, another one has to end first. */
async function beginWithRoom<Answer>(
  world: World,
  name: string,
  space: Space,
  body: (call: RequestContext, atGate: AtGate) => Promise<Answer>,
): Promise<ClientCall<Answer>> {
  const [oldest] = world.calls;
  if (oldest !== undefined && world.calls.length >= MAX_OPEN_CALLS) await end(world, oldest);
  return begin(world, name, space, body);
}

/** Runs a request up to the point where it is about to make one call after another one was answered, or to its end. */
export async function askUpTo<Answer>(
  world: World,
  name: string,
  space: Space,
  { after, next }: { readonly after: RegExp; readonly next: RegExp },
  body: (call: RequestContext, atGate: AtGate) => Promise<Answer>,
): Promise<ClientCall<Answer>> {
  const call = await beginWithRoom(world, name, space, body);
  for (let isAfter = false; !call.isDone && !(isAfter && call.gates.some((label) => next.test(label)));) {
    const done = await goOn(world, call, 1);
    if (done.length === 0) break;
    isAfter ||= done.some((label) => after.test(label));
  }
  return call;
}

/** Whether nothing is known of the caller. */
function isNew(world: World, asking: Space): boolean {
  return !world.directories().some(({ space, object }) => space === asking && object.disk.hasTable("sessions"));
}

/** Its client has disconnected, and the runtime ends it where it is. */
export function drop(world: World, call: ClientCall): void {
  call.kill();
  world.calls = world.calls.filter((other) => other !== call);
}

/** Brings a request to its end, however long it waits. */
export async function end(world: World, call: ClientCall): Promise<void> {
  for (;;) {
    await goOn(world, call);
    if (call.isDone) return;
    const at = world.surroundings.nextTimerAt();
    if (at === null) throw new Violation(0, `${call.name} waits for nothing`);
    world.setNow(Math.max(world.now(), at));
  }
}
