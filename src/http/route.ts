/**
 * The definition of a route: its parameters, answers and handler. Routing, validation and the OpenAPI document
 * (scripts/openapi) are made from it.
 */

import { z } from "zod";
import type { ProblemCode } from "../api/errors.ts";
import { parameterFault, parseRequest } from "../api/faults.ts";
import { MAX_BODY_BYTES } from "../api/limits.ts";
import type { Scope } from "../api/principal.ts";
import { type RequestAction, termsOfRequest } from "../api/requests.ts";
import { type RequestContext, checkOfJson } from "../usecases/request-context.ts";
import { taggedAnswer } from "./etag.ts";
import { readJsonBody } from "./json-body.ts";
import { linesAnswer, readLines } from "./json-lines.ts";

type Method = "get" | "post" | "put" | "patch" | "delete";

export interface AnswerSpec {
  readonly description: string;
  /** The body is streamed as JSON Lines: the handler returns an async iterable of values of the schema. */
  readonly isLines?: boolean;
  /** The media type of the body, if it is not JSON. */
  readonly mediaType?: string;
  readonly schema: z.ZodType;
  /** Response headers by name, each with its description. */
  readonly headers?: Readonly<Record<string, string>>;
}

type AnswerSpecs = Readonly<Record<number, AnswerSpec>>;

/** A body that is serialized already. A large one is then not parsed and serialized again on its way. */
export class WrittenJson {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** A finished response: a stream or a WebSocket. */
export class RawAnswer {
  readonly response: Response;
  constructor(response: Response) {
    this.response = response;
  }
}

/** One of the documented answers: a status, and a body of that status's schema. */
type Reply<A extends AnswerSpecs> = {
  [Status in keyof A]: A[Status] extends { readonly isLines: true; readonly schema: z.ZodType }
    ? { readonly status: Status; readonly body: AsyncIterable<z.input<A[Status]["schema"]>> }
    : A[Status] extends AnswerSpec
      ? {
          readonly status: Status;
          readonly body: z.input<A[Status]["schema"]> | WrittenJson | RawAnswer;
          /** Only for answers that are neither JSON Lines nor conditional. */
          readonly headers?: Readonly<Record<string, string>>;
        }
      : never;
}[keyof A];

interface RouteText {
  readonly method: Method;
  /** Parameters are in braces, as in OpenAPI. */
  readonly path: `/v1/${string}` | "/metrics";
  readonly tag: string;
  readonly summary: string;
  readonly description: string;
  /** The problems of this route, beyond those that every route has. */
  readonly problems: readonly ProblemCode[];
  /** The request body is JSON Lines of this schema. `handle` gets the lines unparsed, as they arrive. */
  readonly lines?: z.ZodType;
  /** Schemas that are in no body but belong into the documentation. */
  readonly alsoDescribes?: readonly z.ZodType[];
  /** Answers have an `ETag`, and `If-None-Match` is supported. */
  readonly conditional?: boolean;
}

/** Its row in the table of requests has the name of its operation id, or else that of `action`. */
type RouteName =
  | { readonly operationId: RequestAction; readonly action?: never }
  | { readonly operationId: string; readonly action: RequestAction };

type RouteSpec<R extends z.ZodObject, A extends AnswerSpecs> = RouteName & RouteBody<R, A>;

interface RouteBody<R extends z.ZodObject, A extends AnswerSpecs> extends RouteText {
  /** The schemas of `params`, `query`, `headers` and `body`, as far as the route has them. */
  readonly request: R;
  readonly answers: A;
  /**
   * @param isHead the request is a HEAD: the answer's body is discarded, so nothing may be opened that lasts as long as
   * the body
   * @param sent the body before validation, which may have changed its content
   */
  handle(
    call: RequestContext,
    input: z.output<R>,
    lines: AsyncIterable<string>,
    isHead: boolean,
    sent: unknown,
  ): Promise<Reply<A>>;
}

/** A route without its type parameters, as routing and the OpenAPI document use it. */
export interface Route extends RouteText {
  readonly operationId: string;
  readonly action: RequestAction;
  /** Of the table of requests, for the OpenAPI document: the use case asks for them. */
  readonly scopes: readonly Scope[];
  readonly request: RequestSchemas;
  readonly answers: AnswerSpecs;
  /** @param noteLength called with the number of characters of a JSON answer, which may be millions */
  respond(
    call: RequestContext,
    request: Request,
    params: Readonly<Record<string, string>>,
    noteLength: (characters: number) => void,
  ): Promise<Response>;
}

interface RequestSchemas {
  readonly params: z.ZodObject | undefined;
  readonly query: z.ZodObject | undefined;
  readonly headers: z.ZodObject | undefined;
  readonly body: z.ZodType | undefined;
}

export function defineRoute<R extends z.ZodObject, const A extends AnswerSpecs>(spec: RouteSpec<R, A>): Route {
  const schemas: RequestSchemas = {
    params: objectSchema(spec.request.shape["params"]),
    query: objectSchema(spec.request.shape["query"]),
    headers: objectSchema(spec.request.shape["headers"]),
    body: anySchema(spec.request.shape["body"]),
  };
  const action = spec.action ?? spec.operationId;
  return {
    ...spec,
    action,
    scopes: termsOfRequest(action).scopes,
    request: schemas,
    async respond(call, request, params, noteLength) {
      const raw = {
        params,
        query: readQuery(new URL(request.url), schemas.query),
        headers: readHeaders(request.headers, schemas.headers),
        body: schemas.body === undefined ? undefined : await readBodyOf(call, request),
      };
      const reply = await spec.handle(
        call,
        parseRequest(spec.request, raw),
        readLines(request),
        request.method === "HEAD",
        raw.body,
      );
      const status = Number(reply.status);
      if (spec.answers[status]?.isLines === true) return linesAnswer(asLines(reply.body), status);
      const { body } = reply;
      if (body instanceof RawAnswer) return body.response;
      const json = body instanceof WrittenJson ? body.text : JSON.stringify(body);
      noteLength(json.length);
      return jsonAnswer(spec, request, json, status, "headers" in reply ? reply.headers : {});
    },
  };
}

/** The JSON body of a request. The body of a user's request is measured before it is parsed. */
export function readBodyOf(call: Pick<RequestContext, "principal">, request: Request): Promise<unknown> {
  return readJsonBody(request, MAX_BODY_BYTES, checkOfJson(call));
}

async function jsonAnswer(
  route: Pick<RouteText, "conditional">,
  request: Request,
  json: string,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  if (route.conditional === true) return taggedAnswer(request, json, status);
  return new Response(json, { status, headers: { ...headers, "Content-Type": "application/json" } });
}

function asLines(body: unknown): AsyncIterable<unknown> {
  if (typeof body === "object" && body !== null && Symbol.asyncIterator in body) return body as AsyncIterable<unknown>;
  throw new TypeError("an answer of lines is no async iterable");
}

function objectSchema(schema: z.core.$ZodType | undefined): z.ZodObject | undefined {
  return schema instanceof z.ZodObject ? schema : undefined;
}

function anySchema(schema: z.core.$ZodType | undefined): z.ZodType | undefined {
  return schema instanceof z.ZodType ? schema : undefined;
}

/**
 * The query parameters by name. Those named `metadata.KEY` are collected under `metadata`, if the route filters by it.
 * Unknown parameters are refused here or by the schema, because a misspelt one would otherwise be ignored silently.
 */
function readQuery(url: URL, schema: z.ZodObject | undefined): Record<string, unknown> {
  const query = new Map<string, unknown>();
  const metadata = new Map<string, string>();
  const takesMetadata = "metadata" in (schema?.shape ?? {});
  const seen = new Set<string>();
  for (const [name, value] of url.searchParams) {
    if (schema === undefined) throw parameterFault(name, "is not a known parameter");
    if (seen.has(name)) throw parameterFault(name, "must be given once");
    seen.add(name);
    if (takesMetadata && name.startsWith("metadata.")) metadata.set(name.slice("metadata.".length), value);
    else query.set(name, value);
  }
  if (metadata.size > 0) query.set("metadata", Object.fromEntries(metadata));
  return Object.fromEntries(query);
}

function readHeaders(headers: Headers, schema: z.ZodObject | undefined): Record<string, string> {
  const known: Record<string, string> = {};
  for (const name of Object.keys(schema?.shape ?? {})) {
    const value = headers.get(name);
    if (value !== null) known[name] = value;
  }
  return known;
}
