/** A Worker that does in workerd what a test in Node asks: `POST {surface, operation, args}`. Bundled by `startWorkerPair`. */

import type { ThreadkeepBinding } from "../../client/src/binding.ts";
import { createClient } from "../../client/src/index.ts";
import { clientSurface } from "./client-surface.ts";

interface Env {
  readonly [binding: string]: unknown;
  readonly HTTP: { fetch(input: string, init: RequestInit): Promise<Response> };
  readonly API_KEY: string;
}

/** A test's request. `surface` is `client`, or the name of a binding. */
export interface Ask {
  surface: string;
  operation: string;
  args: unknown[];
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { surface, operation, args }: Ask = JSON.parse(await request.text());
    const target = surface === "client" ? clientOf(env) : (env[surface] as ThreadkeepBinding);
    try {
      // A stub's method has no `apply` of its own: that would be sent to the other side.
      const value: unknown = await Reflect.apply(Reflect.get(target, operation), target, args);
      return Response.json({ value: value instanceof ReadableStream ? await new Response(value).text() : value });
    } catch (error) {
      const { message, stack } = error as Error;
      return Response.json({ thrown: { ...(error as object), message, stack } });
    }
  },
};

function clientOf(env: Env) {
  const fetch = (url: string, init: RequestInit): Promise<Response> => env.HTTP.fetch(url, init);
  return clientSurface(createClient({ url: "https://threadkeep.internal", key: env.API_KEY, fetch }));
}
