// Requests as the OpenAPI document shows them: whoever tries every operation takes them from there, so that a new one is among them.
import type { OpenApiDocument, Operation } from "./document.ts";

/** An operation where the document has it. */
export interface Offered {
  /** In capitals. */
  readonly method: string;
  /** With its parameters in braces. */
  readonly path: string;
  readonly operation: Operation;
}

export interface SoundRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export function listOperations(document: OpenApiDocument): Offered[] {
  return Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
}

/** The scopes that an operation needs; null if it needs no key. */
export function scopesOf(operation: Operation): readonly string[] | null {
  return operation.security[0]?.["apiKey"] ?? null;
}

/**
 * The operation's example, with these values in its path and its query, as far as that must be given. Throws for a parameter that has no value, so that one that is new to the
 * document is not sent as braces.
 */
export function soundRequest(
  { method, path, operation }: Offered,
  values: Readonly<Record<string, string>>,
): SoundRequest {
  const valueOf = (name: string): string => {
    const value = values[name];
    if (value === undefined) throw new Error(`${operation.operationId}: nothing to put in the place of {${name}}`);
    return encodeURIComponent(value);
  };
  const asked = (operation.parameters ?? [])
    .filter((parameter) => parameter.in === "query" && parameter.required === true)
    .map(({ name }) => `${name}=${valueOf(name)}`);
  const bare = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => valueOf(name));
  const filled = asked.length === 0 ? bare : `${bare}?${asked.join("&")}`;
  const [type, media] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  if (type === undefined) return { method, path: filled, headers: {} };
  const text = JSON.stringify(media?.example);
  return {
    method,
    path: filled,
    headers: { "Content-Type": type },
    body: type.endsWith("ndjson") ? `${text}\n` : text,
  };
}
