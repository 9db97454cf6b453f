/** The OpenAPI 3.1 document, made from the routes and the contracts. Its schema dialect is the one zod itself speaks. */

import { z } from "zod";
import { type Fault, PROBLEMS, type Problem, type ProblemCode, problemSchema } from "../contracts/errors.ts";
import { problemOf } from "../contracts/problem.ts";
import { userIdSchema } from "../contracts/session.ts";
import { TRANSFER_MEDIA_TYPE } from "../contracts/transfer.ts";
import { livenessSchema, readinessSchema } from "./health.ts";
import type { AnswerSpec, Route } from "./route.ts";

/** The parts of the JSON Schema dialect that the reference page reads; the rest passes through. */
export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
}

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required: boolean;
  readonly description: string;
  readonly schema: JsonSchema;
}

export interface MediaType {
  readonly schema: JsonSchema;
  readonly example?: unknown;
  readonly examples?: Readonly<Record<string, { readonly $ref: string }>>;
}

export interface DocumentedAnswer {
  readonly description: string;
  readonly headers?: Readonly<Record<string, { readonly description: string; readonly schema: JsonSchema }>>;
  readonly content?: Readonly<Record<string, MediaType>>;
}

export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description: string;
  /** By scheme, the scopes that a caller needs; without an entry it needs none, and no key. */
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: {
    readonly required: boolean;
    readonly content: Readonly<Record<string, MediaType>>;
  };
  readonly responses: Readonly<Record<string, DocumentedAnswer>>;
}

export interface ProblemExample {
  readonly summary: string;
  readonly value: Problem;
}

export interface OpenApiDocument {
  readonly openapi: "3.1.1";
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly servers: readonly { readonly url: string }[];
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly examples: Readonly<Record<string, ProblemExample>>;
    readonly securitySchemes: Readonly<Record<string, unknown>>;
  };
}

const DESCRIPTION =
  "The short-term memory of a chat. Append each turn to a session; before the next model call get back a prompt-ready context that fits its token budget. Lists are paged by `limit` and `nextCursor`. Times are ISO 8601, tokens are estimates, and `seq` is a message's place in its session: 1, 2, 3 … without gaps. Every refusal is a problem document (RFC 9457) with a stable `code`.";

const TAGS = [
  { name: "Sessions", description: "One chat each, named by you or by us." },
  { name: "Messages", description: "The log of a session, in one order, without gaps." },
  { name: "Context", description: "What goes into the next prompt." },
  { name: "Search", description: "What matters to a query: messages of one session, or memories of all." },
  { name: "Live", description: "A session as it goes on: events, and frames the other way." },
  { name: "Transfer", description: "A session as a file, out and in again." },
  { name: "Users", description: "All that is known of a person: take it out, or erase it." },
  { name: "Summaries", description: "What the older turns came to, each statement with its sources." },
  { name: "Operations", description: "For whoever runs the service." },
  { name: "Keys", description: "What lets an application in, within its tenant alone." },
];

/** What any route behind the key may refuse. */
const COMMON_PROBLEMS: readonly ProblemCode[] = ["unauthenticated", "forbidden", "validation_failed", "rate_limited"];
const BODY_PROBLEMS: readonly ProblemCode[] = ["malformed_json", "unsupported_media_type", "body_too_large"];
const SERVER_PROBLEMS: readonly ProblemCode[] = ["internal", "unavailable"];

const REQUEST_ID_HEADER = {
  "X-Request-Id": {
    description: "Names this request in our logs; yours, if you sent a sane one",
    schema: { type: "string" },
  },
};

/** The document, made when it is first asked for: a Worker that starts to serve an append has better things to do. */
export function openApiDocument(routes: readonly Route[]): () => OpenApiDocument {
  let document: OpenApiDocument | undefined;
  return () => (document ??= makeDocument(routes));
}

function makeDocument(routes: readonly Route[]): OpenApiDocument {
  const schemas = new SchemaComponents();
  const paths: Record<string, Record<string, Operation>> = {};
  for (const route of routes) {
    (paths[route.path] ??= {})[route.method] = describeRoute(route, schemas);
  }
  Object.assign(paths, describeHealth(schemas));
  return {
    openapi: "3.1.1",
    info: { title: "Threadkeep", version: "1.0.0", description: DESCRIPTION },
    servers: [{ url: "/" }],
    tags: TAGS,
    paths,
    components: {
      schemas: schemas.all(),
      examples: Object.fromEntries(problemSchema.shape.code.options.map((code) => [code, problemExample(code)])),
      securitySchemes: {
        apiKey: {
          type: "http",
          scheme: "bearer",
          description:
            "An API key, or a user's token: `Authorization: Bearer KEY`. The list at an operation holds the scopes that it needs; a user's token has those that begin with `memory:`.",
        },
      },
    },
  };
}

function describeRoute(route: Route, schemas: SchemaComponents): Operation {
  const { params, query, headers, body } = route.request;
  for (const schema of route.alsoDescribes ?? []) schemas.of(schema);
  const problems = [
    ...COMMON_PROBLEMS,
    ...(body === undefined && route.lines === undefined ? [] : BODY_PROBLEMS),
    ...route.problems,
    ...SERVER_PROBLEMS,
  ];
  const isAdmin = route.scopes.includes("admin");
  return {
    operationId: route.operationId,
    tags: [route.tag],
    summary: route.summary,
    description: isAdmin ? `${route.description} Needs an admin key.` : route.description,
    security: [{ apiKey: route.scopes }],
    parameters: [
      ...describeParameters("path", params, schemas),
      ...describeParameters("query", query, schemas),
      ...describeParameters("header", headers, schemas),
      ...(route.path.startsWith("/v1/admin/") ? [] : [userParameter(schemas)]),
    ],
    ...(route.lines === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { [TRANSFER_MEDIA_TYPE]: { schema: schemas.of(route.lines), example: route.bodyExample } },
          },
        }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: !body.safeParse(undefined).success,
            content: {
              "application/json": { schema: schemas.of(body), example: route.bodyExample },
            },
          },
        }),
    responses: {
      ...describeAnswers(route.answers, schemas),
      ...(route.conditional === true && route.method === "get"
        ? { 304: { description: "Unchanged since the ETag in If-None-Match", headers: REQUEST_ID_HEADER } }
        : {}),
      ...describeProblems(problems, schemas),
    },
  };
}

function describeParameters(
  place: Parameter["in"],
  schema: z.ZodObject | undefined,
  schemas: SchemaComponents,
): Parameter[] {
  return Object.entries(schema?.shape ?? {}).map(([name, value]) => {
    const isMetadata = place === "query" && name === "metadata";
    const { description = "", ...rest } = schemas.ofParameter(value);
    return {
      name: isMetadata ? "metadata.KEY" : name,
      in: place,
      required: !z.safeParse(value, undefined).success,
      description,
      schema: isMetadata ? { type: "string" } : rest,
    };
  });
}

/** It is read where the caller is told, before any route. */
function userParameter(schemas: SchemaComponents): Parameter {
  return {
    name: "Threadkeep-User",
    in: "header",
    required: false,
    description:
      "The user that a tenant key speaks for: their sessions, and no one else's. Without it, the sessions that belong to the tenant alone.",
    schema: schemas.ofParameter(userIdSchema),
  };
}

function describeAnswers(
  answers: Readonly<Record<number, AnswerSpec>>,
  schemas: SchemaComponents,
): Record<string, DocumentedAnswer> {
  const entries = Object.entries(answers).map(([status, answer]): [string, DocumentedAnswer] => {
    const headers = Object.entries(answer.headers ?? {}).map(([name, description]) => [
      name,
      { description, schema: { type: "string" } },
    ]);
    return [
      status,
      {
        description: answer.description,
        headers: { ...REQUEST_ID_HEADER, ...Object.fromEntries(headers) },
        content: {
          [answer.mediaType ?? (answer.isLines === true ? TRANSFER_MEDIA_TYPE : "application/json")]: {
            schema: schemas.of(answer.schema),
            example: answer.example,
          },
        },
      },
    ];
  });
  return Object.fromEntries(entries);
}

/** One answer for each status, with an example for each code that has it. */
function describeProblems(codes: readonly ProblemCode[], schemas: SchemaComponents): Record<string, DocumentedAnswer> {
  const byStatus = Map.groupBy(codes, (code) => PROBLEMS[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, alike]): [number, DocumentedAnswer] => [
      status,
      {
        description: alike.map((code) => `\`${code}\`: ${PROBLEMS[code].title}`).join("; "),
        headers: REQUEST_ID_HEADER,
        content: {
          "application/problem+json": {
            schema: schemas.of(problemSchema),
            examples: Object.fromEntries(alike.map((code) => [code, { $ref: `#/components/examples/${code}` }])),
          },
        },
      },
    ]),
  );
}

/** What each code says to do next; the words of a real answer are closer to the case. */
const PROBLEM_ADVICE: Readonly<Record<ProblemCode, string>> = {
  malformed_json: "Mend the JSON at the position given and send it again.",
  validation_failed: "Mend what errors lists, each by its path, and send it again. Nothing was changed.",
  unsupported_media_type: "Send JSON in UTF-8, with Content-Type: application/json.",
  unauthenticated: "Send Authorization: Bearer KEY with a key that is valid.",
  forbidden: "Use a key with the scope that the operation needs.",
  route_not_found: "Look the path up at /docs.",
  wrong_host: "Use one of the names that the detail lists.",
  method_not_allowed: "Use one of the methods that the Allow header names.",
  session_not_found: "Check the id and the user it belongs to, or append to create the session.",
  message_not_found: "Check the message's id; list the messages to see which there are.",
  summary_not_found: "List the summaries to see which versions there are.",
  tenant_not_found: "Create the tenant first, or list the tenants to see which there are.",
  tenant_exists: "Use the tenant as it is, or create one of another name.",
  key_not_found: "List the tenant's keys to see their ids.",
  key_not_live: "Create a new key.",
  key_rotated: "Use the successor that rotatedTo names, or rotate that one.",
  too_many_keys: "Revoke the keys that nobody uses any more.",
  user_not_found: "Name the user that you speak for, or use a key of the tenant.",
  user_erased: "Use another user id, or wait until returnsAt.",
  erasure_not_found: "Ask for it with DELETE /v1/users/{userId}; one that is over is forgotten after four days.",
  job_not_found: "List the jobs; a job that is done is listed no more.",
  operation_not_found: "List the operations; the newest thousand are remembered.",
  operation_exists: "Choose another id, or leave it out.",
  message_erased: "Append a new message instead; the tombstone stays.",
  message_conflict: "The id has other content. Give the new message an id of its own.",
  head_seq_mismatch: "Read the session, decide anew, and send the headSeq that it has now.",
  message_too_large: "Keep large content elsewhere and append a reference to it.",
  body_too_large: "Send the messages in several smaller requests.",
  session_exists: "Choose another id, or erase the session that has it.",
  session_not_ready: "Ask again after Retry-After seconds; reading the session tells when it is whole.",
  session_expired: "Create a new session with continueFrom, or erase this one to use its id anew.",
  upgrade_required: "Open a WebSocket, or send Accept: text/event-stream.",
  frame_too_large: "Send the messages in several smaller frames.",
  too_many_frames: "Wait for the answers, and acknowledge many events at a time.",
  too_many_sockets: "Close sockets that are not needed, or try again after Retry-After seconds.",
  session_full: "Go on in a new session.",
  rate_limited: "Wait Retry-After seconds, and send fewer requests at a time. Nothing was done.",
  quota_exceeded: "Go on after Retry-After seconds, when the day (UTC) is over, or ask the operator for more.",
  unavailable: "Send the same request again after Retry-After seconds.",
  internal: "Send the same request again; if it fails again, report the requestId.",
};

function problemExample(code: ProblemCode): ProblemExample {
  const fault: Fault = { code, detail: PROBLEM_ADVICE[code] };
  const errors = [{ path: "/messages/3/role", detail: 'must be one of "user", "assistant", "tool"' }];
  const value = problemOf(code === "validation_failed" ? { ...fault, errors } : fault, "b3f1c6de-58f3-4f0e");
  return { summary: PROBLEMS[code].title, value };
}

function describeHealth(schemas: SchemaComponents): Record<string, Record<string, Operation>> {
  const report = { "application/json": { schema: schemas.of(readinessSchema) } };
  return {
    "/livez": {
      get: {
        operationId: "liveness",
        tags: ["Operations"],
        summary: "Whether the process answers",
        description: "Asks nothing of the parts behind it. Needs no key.",
        security: [],
        responses: {
          200: {
            description: "It does",
            content: { "application/json": { schema: schemas.of(livenessSchema), example: { status: "ok" } } },
          },
        },
      },
    },
    "/readyz": {
      get: {
        operationId: "readiness",
        tags: ["Operations"],
        summary: "Whether the service can serve, part by part",
        description: "Needs no key.",
        security: [],
        responses: {
          200: { description: "ok, or degraded: it serves, and what is missing catches up", content: report },
          503: { description: "down: it cannot serve now", content: report },
        },
      },
    },
  };
}

/** JSON Schemas of zod schemas; those with an id are gathered as components and referred to. */
class SchemaComponents {
  readonly #schemas: Record<string, JsonSchema> = {};
  readonly #converted = new Map<z.core.$ZodType, JsonSchema>();

  of(schema: z.ZodType): JsonSchema {
    const known = this.#converted.get(schema);
    if (known !== undefined) return known;
    const converted = this.#convert(schema, "input");
    this.#converted.set(schema, converted);
    return converted;
  }

  /** A parameter arrives as text; what is documented is what the text stands for. */
  ofParameter(schema: z.core.$ZodType): JsonSchema {
    return this.#convert(schema, "output");
  }

  all(): Readonly<Record<string, JsonSchema>> {
    return Object.fromEntries(Object.entries(this.#schemas).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  #convert(schema: z.core.$ZodType, io: "input" | "output"): JsonSchema {
    const converted = z.toJSONSchema(schema, {
      io,
      // Only `safeJson` has no form of its own, and it stands for any JSON.
      unrepresentable: "any",
      override: ({ jsonSchema }) => tidy(jsonSchema),
    });
    const { $schema: _dialect, $defs = {}, ...root } = pointToComponents(converted);
    Object.assign(this.#schemas, $defs);
    return root;
  }
}

/** Leaves out what says nothing to a reader. */
function tidy(schema: z.core.JSONSchema.BaseSchema): void {
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.format === "date-time") delete schema.pattern;
  delete schema.propertyNames;
}

type Converted = JsonSchema & {
  readonly $schema?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
};

function pointToComponents(schema: z.core.JSONSchema.BaseSchema): Converted {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/'));
}
