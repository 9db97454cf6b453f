import type { AtGate, Passage } from "./activity.ts";
import { callFault } from "./call-fault.ts";
import { callSession } from "./session-calls.ts";
import type { CallFault, SimulatedObject } from "./simulated-object.ts";
import type { Namespace } from "./system-types.ts";
import { Violation } from "./violation.ts";
import type { World } from "./world.ts";

/** The connections between the parts of the service: every call of an object, with its faults. */

export type ObjectKind = "session" | "directory" | "tenant" | "operations" | "owners";

/** Objects of one kind, for a caller whose calls pass a gate. */
export function namespaceOf(world: World, kind: ObjectKind, atGate: AtGate): Namespace {
  return {
    getByName: (name) =>
      new Proxy(
        {},
        {
          get(_, method) {
            // `await` looks for the members of a promise in everything.
            if (typeof method === "symbol" || method === "then") return undefined;
            return (...args: unknown[]) =>
              atGate(
                labelOf(world, kind, name, method, args),
                (passage) => deliver(world, kind, name, { method, args, passage, atGate }),
                { mayWait: mayWait(method, args) },
              );
          },
        },
      ),
  };
}

function labelOf(world: World, kind: ObjectKind, name: string, method: string, args: readonly unknown[]): string {
  if (kind === "session") {
    return `${method} ${world.sessions.find((session) => session.name === name)?.label ?? name}`;
  }
  const [about] = args;
  const session = typeof about === "object" && about !== null && "session" in about ? about.session : about;
  return `${kind}.${method}${typeof session === "string" ? ` ${session}` : ""}`;
}

/** Calls that an object may answer only after others have done something. */
function mayWait(method: string, args: readonly unknown[]): boolean {
  if (method === "createFork") return Number(args[2]) > 0;
  const [request] = args;
  if (method !== "summarize" || typeof request !== "object" || request === null || !("waitMs" in request)) return false;
  return Number(request.waitMs) > 0;
}

/** A call of an object, and the caller's gate. */
export interface Delivered {
  readonly method: string;
  readonly args: readonly unknown[];
  readonly passage: Passage;
  readonly atGate: AtGate;
}

async function deliver(world: World, kind: ObjectKind, name: string, called: Delivered): Promise<unknown> {
  const given = { ...called, args: structuredClone(called.args) };
  if (kind === "session") return callSession(world, world.sessionNamed(name), given);
  return callRegistry(world, objectOf(world, kind, name), kind, given);
}

function objectOf(world: World, kind: Exclude<ObjectKind, "session">, name: string): SimulatedObject {
  switch (kind) {
    case "directory":
      return world.directory(name);
    case "tenant":
      return world.tenantObject(name);
    case "owners":
      return world.owners(name);
    case "operations":
      return world.operations;
  }
}

/** The first statements of a directory create its tables. A failure among them shows whether it remembers tables that were rolled back. */
const LAST_FIRST_STATEMENT = 5;

function registryFault({ aside, random }: World, object: SimulatedObject, kind: ObjectKind): CallFault {
  const fault = callFault(random);
  const isNew = kind === "directory" && !object.disk.hasTable("sessions");
  if (!isNew || aside.chance(0.4)) return fault;
  return { kind: "disk", statements: aside.between(1, LAST_FIRST_STATEMENT) };
}

async function callRegistry(
  world: World,
  object: SimulatedObject,
  kind: ObjectKind,
  { method, args, passage }: Omit<Delivered, "atGate">,
): Promise<unknown> {
  const fault = passage === "faulty" ? registryFault(world, object, kind) : null;
  try {
    return await object.call(
      method,
      async (instance) => {
        const member: unknown = Reflect.get(instance, method);
        if (typeof member !== "function")
          throw new Violation(0, `${method} is called, but a ${kind} has no such method`);
        return Reflect.apply(member, instance, args) as unknown;
      },
      fault,
    );
  } catch (error) {
    if (error instanceof Violation) throw error;
    if (fault === null && world.registryState === "up") {
      throw new Violation(4, `${kind}.${method} threw without a fault: ${String(error)}`);
    }
    if (kind === "operations") for (const about of args) if (typeof about === "string") world.untold.add(about);
    throw error;
  }
}
