import type { TracedCall } from "../connection.ts";

/**
 * The operation of a call and the session it is for, by OpenTelemetry's semantic conventions where they have a name.
 */
export interface DescribedCall {
  readonly operation: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Operations by method and path, where `*` stands for an id. The first match applies. */
const OPERATIONS: readonly (readonly [RegExp, string])[] = [
  [/^POST \/sessions$/, "create_memory_store"],
  [/^POST \/sessions\/\*\/fork$/, "create_memory_store"],
  [/^(?:POST|PUT|GET|DELETE) \/imports?(?:\/|$)/, "create_memory_store"],
  [/^DELETE \/(?:sessions|users)\/\*$/, "delete_memory_store"],
  [/^POST \/sessions\/\*\/messages$/, "create_memory"],
  [/^DELETE \/sessions\/\*\/messages\/\*$/, "delete_memory"],
  [/^(?:PATCH|PUT) /, "update_memory"],
  [/^POST \/sessions\/\*\/summarize$/, "update_memory"],
  [/^POST \/sessions\/\*\/tickets$/, "create_ticket"],
  [/^GET \/sessions$/, "list_memory_stores"],
  [/^GET \/(?:sessions\/\*|users\/\*\/erasure)$/, "get_memory_store"],
];

export function describeCall({ method, path }: TracedCall): DescribedCall {
  const [, session, , message] = /^\/sessions\/([^/]+)(\/messages\/([^/]+))?/.exec(path) ?? [];
  const pattern = `${method} ${path.replace(/^\/(sessions|users)\/[^/]+/, "/$1/*").replace(/\/messages\/[^/]+$/, "/messages/*")}`;
  const operation = OPERATIONS.find(([fits]) => fits.test(pattern))?.[1] ?? "search_memory";
  const id = session === undefined ? {} : sessionAttributes(decodeURIComponent(session));
  const record = message === undefined ? {} : { "gen_ai.memory.record.id": decodeURIComponent(message) };
  return {
    operation,
    attributes: { "gen_ai.operation.name": operation, "gen_ai.provider.name": "threadkeep", ...id, ...record },
  };
}

function sessionAttributes(id: string): Record<string, string> {
  return { "gen_ai.conversation.id": id, "gen_ai.memory.store.id": id };
}
