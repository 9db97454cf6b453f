/** A route said once: what it takes, what it answers, what it does. Routing, parsing and the OpenAPI document (scripts/openapi) all come from it. */

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

export type Method = "get" | "post" | "put" | "patch" | "delete";

export interface AnswerSpec {
  readonly description: string;
  /** The body is streamed, one value of the schema a line: the reply gives them as an async iterable. */
  readonly isLines?: boolean;
  /** Of the body, where it is not JSON. */
  readonly mediaType?: string;
  readonly schema: z.ZodType;
  /** Response headers by name, with what each is for. */
  readonly headers?: Readonly<Record<string, string>>;
}

type AnswerSpecs = Readonly<Record<number, AnswerSpec>>;

/** A body that is JSON already, as it was written where it came from: a large one need not be read and written again on its way. */
export class WrittenJson {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** An answer that is made already: a stream, or a socket. */
export class RawAnswer {
  readonly response: Response;
  constructor(response: Response) {
    this.response = response;
  }
}

/** One of the documented answers: its status and a body of that status' schema. */
type Reply<A extends AnswerSpecs> = {
  [Status in keyof A]: A[Status] extends { readonly isLines: true; readonly schema: z.ZodType }
    ? { readonly status: Status; readonly body: AsyncIterable<z.input<A[Status]["schema"]>> }
    : A[Status] extends AnswerSpec
      ? {
          readonly status: Status;
          readonly body: z.input<A[Status]["schema"]> | WrittenJson | RawAnswer;
          /** Of an answer that is neither lines nor conditional. */
          readonly headers?: Readonly<Record<string, string>>;
        }
      : never;
}[keyof A];

interface RouteText {
  readonly method: Method;
  /** With its parameters in braces, as OpenAPI writes it. */
  readonly path: `/v1/${string}` | "/metrics";
  readonly tag: string;
  readonly summary: string;
  readonly description: string;
  /** What it may refuse beyond the refusals that every route has. */
  readonly problems: readonly ProblemCode[];
  /** The body is JSON Lines, each of this schema: `handle` gets them as they come, unparsed. */
  readonly lines?: z.ZodType;
  /** Schemas that no body has, and a reader needs. */
  readonly alsoDescribes?: readonly z.ZodType[];
  /** Its answers carry an `ETag`, and `If-None-Match` is honoured. */
  readonly conditional?: boolean;
}

/** Its row in the table of requests has the name of its operation id, or else that of `action`. */
type RouteName =
  | { readonly operationId: RequestAction; readonly action?: never }
  | { readonly operationId: string; readonly action: RequestAction };

type RouteSpec<R extends z.ZodObject, A extends AnswerSpecs> = RouteName & RouteBody<R, A>;

interface RouteBody<R extends z.ZodObject, A extends AnswerSpecs> extends RouteText {
  /** `params`, `query`, `headers` and `body`, as far as the route takes them. */
  readonly request: R;
  readonly answers: A;
  /**
   * @param isHead the body of the answer is left out, so nothing may be opened that lives as long as it
   * @param sent the body before it was parsed, which may have mended it
   */
  handle(
    call: RequestContext,
    input: z.output<R>,
    lines: AsyncIterable<string>,
    isHead: boolean,
    sent: unknown,
  ): Promise<Reply<A>>;
}

/** A route whose types are settled: the assembly and the OpenAPI document need no more. */
export interface Route extends RouteText {
  readonly operationId: string;
  readonly action: RequestAction;
  /** Of the table of requests, for the OpenAPI document: the use case asks for them. */
  readonly scopes: readonly Scope[];
  readonly request: RequestSchemas;
  readonly answers: AnswerSpecs;
  /** @param noteLength told the characters of an answer of JSON, which may be megabytes */
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

/** The JSON that a caller sends. That of a user is measured before it is parsed. */
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
 * Each parameter by its name; those named `metadata.KEY` under `metadata`, if the route filters by it. A parameter that the
 * route does not know is refused, by its schema or here: a misspelt one would else be ignored in silence.
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
