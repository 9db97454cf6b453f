// Valid requests, taken from the examples of the OpenAPI document. Tests that try every operation use them, so that new operations are included.
import type { OpenApiDocument, Operation } from "./document.ts";

/** An operation of the document. */
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

/**
 * The scopes that an operation needs; null if it needs no key.
 * @internal Tests of scopes go through the operations with it.
 */
export function scopesOf(operation: Operation): readonly string[] | null {
  return operation.security[0]?.["apiKey"] ?? null;
}

/**
 * The operation's example, with these values for the parameters of its path and the required ones of its query. Throws if a parameter has
 * no value, so that a parameter that is new in the document is not sent as braces.
 */
export function soundRequest(
  { method, path, operation }: Offered,
  values: Readonly<Record<string, string>>,
): SoundRequest {
  const valueOf = (name: string): string => {
    const value = values[name];
    if (value === undefined) throw new Error(`${operation.operationId}: no value was given for {${name}}`);
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
