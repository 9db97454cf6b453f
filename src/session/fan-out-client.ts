import { sessionName, type SessionRef } from "../api/session.ts";
import { deferred } from "./deferred.ts";
import type { FanOut } from "./fan-out.ts";

/** The methods of a fan-out object that other code may call. */
type FanOutObject = Pick<FanOut, "count" | "fetch" | "tell">;

/** How to reach a fan-out object of a session. Get a new stub for each call, as of a session's object. */
export interface FanOutClient {
  get(ref: SessionRef, fanOut: number): FanOutObject;
}

type FanOutStub = DurableObjectStub & FanOutObject;

/**
 * @param namespace called for each call, so that the binding is needed only by a session with very many sockets
 * @param place finds the namespace in which a tenant's objects are (its jurisdiction); without it, all are in
 * `namespace`
 */
export function createFanOutClient(
  namespace: () => DurableObjectNamespace,
  place?: (namespace: DurableObjectNamespace, tenant: string) => Promise<DurableObjectNamespace>,
): FanOutClient {
  return {
    get(ref, fanOut) {
      const name = `${sessionName(ref)}/${fanOut}`;
      if (place === undefined) return namespace().getByName(name) as FanOutStub;
      return deferred<FanOutObject>(async () => (await place(namespace(), ref.tenant)).getByName(name) as FanOutStub);
    },
  };
}
