import { type ClientOptions, createClient, type Threadkeep } from "../../client/src/index.ts";
import { appWith } from "./worker-app.ts";

/** A client of the HTTP surface on the objects of the test run, with a tenant's key; its user has nothing yet. */
export function workerClient(options: Partial<ClientOptions> = {}): Threadkeep {
  const owner = `user-${crypto.randomUUID()}`;
  const app = appWith({
    authenticate: async () => ({
      kind: "tenant-key",
      id: "key",
      tenant: "test",
      owner,
      scopes: ["memory:read", "memory:write", "memory:erase"],
    }),
  });
  const fetch = async (url: string, init: RequestInit): Promise<Response> => app.request(url, init);
  return createClient({ url: "http://threadkeep.test", key: "k", fetch, ...options });
}
