/**
 * Makes the OpenAPI 3.1 document from the routes, their schemas and the examples. Its schemas are in the JSON Schema
 * dialect that Zod writes.
 */

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
  "The short-term memory of a chat. Append each turn to a session, and get back a prompt for the next model call that fits a token budget. Lists are paged with `limit` and `nextCursor`. Times are ISO 8601, tokens are estimates, and `seq` is the number of a message in its session: 1, 2, 3 … without gaps. Every error is a problem document (RFC 9457) with a stable `code`.";

const TAGS = [
  { name: "Sessions", description: "A session is one chat. You choose its id, or the server makes one." },
  { name: "Messages", description: "The messages of a session, in order, without gaps in their `seq`." },
  { name: "Context", description: "What goes into the next prompt." },
  { name: "Search", description: "Search the messages of one session, or the memory of all sessions." },
  { name: "Live", description: "Events of a session as they happen, and frames from the client." },
  { name: "Transfer", description: "Export a session to a file, and import it." },
  { name: "Users", description: "Everything stored about a person: export or erase it." },
  { name: "Summaries", description: "Statements that summarize the older messages, each with its sources." },
  { name: "Operations", description: "For operators of the service." },
  { name: "Keys", description: "API keys of applications. A key works only within its tenant." },
];

/** Problems that every route with a key may answer. */
const COMMON_PROBLEMS: readonly ProblemCode[] = ["unauthenticated", "forbidden", "validation_failed", "rate_limited"];
const BODY_PROBLEMS: readonly ProblemCode[] = ["malformed_json", "unsupported_media_type", "body_too_large"];
const SERVER_PROBLEMS: readonly ProblemCode[] = ["internal", "unavailable"];

const REQUEST_ID_HEADER = {
  "X-Request-Id": {
    description: "Identifies this request in our logs. It is yours if you sent a valid one",
    schema: { type: "string" },
  },
};

/** @throws {Error} if a route has no examples, or examples belong to no route */
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
            "An API key, or a user's token: `Authorization: Bearer KEY`. Each operation lists the scopes that it needs; a user's token has those that start with `memory:`.",
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
    description: isAdmin ? `${route.description} Requires an admin key.` : route.description,
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
        ? {
            304: {
              description: "Unchanged since the version with the ETag in If-None-Match",
              headers: REQUEST_ID_HEADER,
            },
          }
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

/** Authentication reads this header, before any route. */
function userParameter(schemas: SchemaComponents): Parameter {
  return {
    name: "Threadkeep-User",
    in: "header",
    required: false,
    description:
      "The user for whom a tenant's key acts: only that user's sessions are used. If left out, the sessions that belong to the tenant itself. Any text of up to 256 characters on one line, such as `auth0|65f1c` or `ada@example.com`. A header can contain only ASCII: percent-encode other characters after `UTF-8''`, as in `UTF-8''J%C3%BCrgen` (RFC 8187).",
    schema: schemas.ofParameter(userIdSchema),
  };
}

/** @param what a status for the example of that answer, or `body` for the request's */
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

/** One answer for each status, with an example for each code that has this status. */
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
        summary: "Check that the process runs",
        description: "Checks no other component. Needs no key.",
        security: [],
        responses: {
          200: {
            description: "The process runs",
            content: { "application/json": { schema: schemas.of(livenessSchema), example: { status: "ok" } } },
          },
        },
      },
    },
    "/readyz": {
      get: {
        operationId: "readiness",
        tags: ["Operations"],
        summary: "Check the health of the service and its components",
        description:
          "Needs no key, and returns the status of each component. With the admin key it also returns measured values. A result is reused for 3 seconds, that of the summarizer for 30, so frequent checks cost little.",
        security: [],
        responses: {
          200: {
            description: "ok, or degraded: requests are served, and delayed work will be caught up",
            content: report,
          },
          503: { description: "down: requests cannot be served", content: report },
        },
      },
    },
  };
}
