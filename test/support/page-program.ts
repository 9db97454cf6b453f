/** What runs in a page: the client, controlled by a test. Bundled for the browser. */

import { createClient } from "../../client/src/index.ts";
import { clientSurface } from "./client-surface.ts";

async function ask(url: string, key: string, operation: string, args: unknown[]): Promise<unknown> {
  const surface = clientSurface(createClient({ url, key }));
  try {
    return { value: await Reflect.apply(Reflect.get(surface, operation), surface, args) };
  } catch (error) {
    const { message } = error as Error;
    return { thrown: { ...(error as object), message } };
  }
}

/** The types of this many frames of the feed, which a page follows without a key. */
async function follow(url: string, sessionId: string, ticket: string, count: number): Promise<string[]> {
  const types: string[] = [];
  for await (const { type } of createClient({ url })
    .session(sessionId)
    .live({ since: 0, ticket: () => ticket })) {
    if (types.push(type) === count) break;
  }
  return types;
}

Object.assign(globalThis, { ask, follow });
