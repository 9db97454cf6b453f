/** The OpenAPI 3.1 document, made from the routes, the contracts and the examples. Its schema dialect is the one zod itself speaks. */

import { z } from "zod";
import { PROBLEMS, type ProblemCode, problemSchema } from "../../src/api/errors.ts";
import { readinessSchema } from "../../src/api/health.ts";
import { userIdSchema } from "../../src/api/session.ts";
import { TRANSFER_MEDIA_TYPE } from "../../src/api/transfer.ts";
import { livenessSchema } from "../../src/http/health.ts";
import type { Route } from "../../src/http/route.ts";
import type { DocumentedAnswer, OpenApiDocument, Operation, Parameter } from "./document-types.ts";
import { EXAMPLES } from "./examples.ts";
import { problemExamples } from "./problem-examples.ts";
import { SchemaComponents } from "./schema-components.ts";

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

/** Throws for a route without examples, and for examples without a route. */
export function openApiDocument(routes: readonly Route[], version: string): OpenApiDocument {
  const ids = new Set(routes.map((route) => route.operationId));
  const unused = Object.keys(EXAMPLES).filter((id) => !ids.has(id));
  if (unused.length > 0)
    throw new Error(`scripts/openapi/examples.ts has examples of no operation: ${unused.join(", ")}`);
  const schemas = new SchemaComponents();
  const paths: Record<string, Record<string, Operation>> = {};
  for (const route of routes) {
    (paths[route.path] ??= {})[route.method] = describeRoute(route, schemas);
  }
  Object.assign(paths, describeHealth(schemas));
  return {
    openapi: "3.1.1",
    info: {
      title: "Threadkeep",
      version,
      description: DESCRIPTION,
      license: { name: "Apache License 2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    tags: TAGS,
    paths,
    components: {
      schemas: schemas.all(),
      examples: problemExamples(),
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
      ...(/^\/v1\/admin\/|^\/metrics$/.test(route.path) ? [] : [userParameter(schemas)]),
    ],
    ...(route.lines === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { [TRANSFER_MEDIA_TYPE]: { schema: schemas.of(route.lines), example: exampleOf(route, "body") } },
          },
        }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: !body.safeParse(undefined).success,
            content: {
              "application/json": { schema: schemas.of(body), example: exampleOf(route, "body") },
            },
          },
        }),
    responses: {
      ...describeAnswers(route, schemas),
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
      "The user that a tenant key speaks for: their sessions, and no one else's. Without it, the sessions that belong to the tenant alone. Any text of up to 256 characters on one line, such as `auth0|65f1c` or `ada@example.com`. A header holds ASCII alone: other characters go percent-encoded behind `UTF-8''`, as in `UTF-8''J%C3%BCrgen` (RFC 8187).",
    schema: schemas.ofParameter(userIdSchema),
  };
}

/** @param what the status of the answer, or the body that is sent */
function exampleOf({ operationId, method, path }: Route, what: string): unknown {
  const examples = EXAMPLES[operationId];
  const example = what === "body" ? examples?.body : examples?.answers[Number(what)];
  if (example !== undefined) return example;
  throw new Error(
    `${method.toUpperCase()} ${path} has no example (${what}): add it to "${operationId}" in scripts/openapi/examples.ts`,
  );
}

function describeAnswers(route: Route, schemas: SchemaComponents): Record<string, DocumentedAnswer> {
  const entries = Object.entries(route.answers).map(([status, answer]): [string, DocumentedAnswer] => {
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
            example: exampleOf(route, status),
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
        description:
          "Needs no key, and tells how each part does. With the admin key it tells what was measured, too. An answer serves for 3 seconds, what it says of the summarizer for 30, so that it costs little to ask often.",
        security: [],
        responses: {
          200: { description: "ok, or degraded: it serves, and what is missing catches up", content: report },
          503: { description: "down: it cannot serve now", content: report },
        },
      },
    },
  };
}
